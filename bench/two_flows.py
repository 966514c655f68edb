"""Two flows of one priority level: fleetpatch, and another user with a few writes in flight.

An admission webhook holds each write for 100 ms, so that requests in flight are the server's limit,
and not its CPU. API Priority and Fairness lets the level of ordinary users have 10 of them.
"""

import base64
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from bench.audited_server import Arena, arena
from bench.goals import Goal
from bench.ledger import Ledger
from bench.processes import ContenderFailedError
from bench.spread_jobs import create_spread
from tests.certificates import Authority
from tests.control_plane import JOB_KINDS, OwnControlPlane
from tests.control_plane.manifests import user_binding
from tests.control_plane.processes import free_ports

_ROUNDS = 3
_JOBS, _OTHERS = 3_000, 10_000
_ALONE = 30.0
"""Seconds for which the other user writes alone before each run."""
_WRITES = 2
"""The other user's requests in flight."""
_HOLD = 0.1
"""Seconds for which the webhook holds a write."""
_SEATS = 10
_ALL_SEATS = ("--max-requests-inflight=65", "--max-mutating-requests-inflight=35")
"""Together 100, of which the level `global-default` has 20 of 205 shares: 10 requests."""
_OTHER_KIND = JOB_KINDS["tfjobs.kubeflow.org"]
_WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
_BINDINGS = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"


def flows() -> Iterator[Goal]:
    """The p99 of the other user, alone and beside the default plan."""
    growths, goodputs, refused = [], [], []
    with arena(_JOBS, _ALL_SEATS) as server:
        create_spread(server.plane, _OTHERS, _OTHER_KIND)
        _allow_other(server.plane)
        with _slow_writes(server.plane):
            for _ in range(_ROUNDS):
                alone = server.written("bob", _OTHER_KIND, seconds=_ALONE, concurrency=_WRITES)
                beside, ours = _beside(server, "{}")
                print(f"    alone {_summary(alone)}; beside the default plan {_summary(beside)}")
                growths.append(beside.latency(0.99) / alone.latency(0.99))
                goodputs.append(ours.goodput / (_SEATS / _HOLD))
                refused.append(ours.refused)
            beside, _ = _beside(server, "{adaptive: false, concurrency: 64}")
            print(f"    for comparison, beside 64 in flight: {_summary(beside)}")
    print(f"    goodput of the default plan, of what its level takes: {median(goodputs):.2f}")
    yield Goal("p99 of the other user, of that alone", median(growths), median(growths) <= 1.1)
    yield Goal("refused", max(refused), max(refused) <= 0.02)


def _summary(ledger: Ledger) -> str:
    figures = (f"{1000 * ledger.latency(quantile):.0f}" for quantile in (0.5, 0.95, 0.99))
    return f"p50, p95, p99: {', '.join(figures)} ms of {len(ledger.arrivals)}"


def _beside(server: Arena, pace: str) -> tuple[Ledger, Ledger]:
    """Return what the other user and fleetpatch sent while fleetpatch did."""
    with server.writer("bob", _OTHER_KIND, concurrency=_WRITES) as writer:
        server.fleetpatch(pace)
        if writer.poll() is not None:
            raise ContenderFailedError("the other user had no objects left")
    ledgers = server.ledgers()
    ours = ledgers["alice"]
    return ledgers["bob"].between(0.0, ours.seconds), ours


def _allow_other(plane: OwnControlPlane) -> None:
    _post(plane, _BINDINGS, user_binding("job-patcher", "bob"))


@contextmanager
def _slow_writes(plane: OwnControlPlane) -> Iterator[None]:
    """Hold each PATCH of a job object by a webhook."""
    with tempfile.TemporaryDirectory() as name:
        authority = Authority(Path(name), "webhooks")
        certificate, key = authority.issue("webhook")
        [port] = free_ports(1)
        command = [sys.executable, "-m", "bench.slow_webhook", "--seconds", str(_HOLD)]
        command += ["--certificate", str(certificate), "--key", str(key), "--port", str(port)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            try:
                if process.stdout is None or not process.stdout.readline():
                    raise ContenderFailedError("the webhook did not start")
                _post(plane, _WEBHOOKS, _configuration(port, authority.file.read_bytes()))
                yield
            finally:
                process.kill()


def _configuration(port: int, authority: bytes) -> dict[str, object]:
    groups = [JOB_KINDS["jobs.batch"].group, _OTHER_KIND.group]
    rule = {
        "apiGroups": groups,
        "apiVersions": ["*"],
        "resources": ["*"],
        "operations": ["UPDATE"],
    }
    client = {
        "url": f"https://127.0.0.1:{port}/",
        "caBundle": base64.b64encode(authority).decode(),
    }
    webhook = {
        "name": "slow.bench.example.com",
        "clientConfig": client,
        "rules": [rule],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "slow"},
        "webhooks": [webhook],
    }


def _post(plane: OwnControlPlane, path: str, manifest: dict[str, object]) -> None:
    response = plane.request("POST", path, manifest)
    if response.status != 201:
        raise ContenderFailedError(f"POST {path}: {response.status} {response.body}")
