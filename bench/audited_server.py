"""A real API server full of Jobs, whose audit log has each PATCH with its times."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.ledger import Arrival, Ledger
from bench.plans import fleetpatch
from bench.processes import ContenderFailedError, measure
from bench.spread_jobs import create_spread
from tests.control_plane import OwnControlPlane
from tests.control_plane.manifests import JobKind

_ONE_FILE = "--audit-log-maxsize=4000"
"""MiB; the server's default is 100, and then it begins another file."""
_KEY = "bench.example.com/turn"
_PLAN = """\
apiVersion: fleetpatch/v1
kind: Plan
metadata: {{name: bench}}
targets:
  - {{kinds: [jobs.batch], selector: app}}
patch:
  labels: {{{key}: "{value}"}}
retry: {{attempts: 20, budget: 100%}}
pace: {pace}
"""


class Arena:
    """A real control plane full of Jobs; each turn sets a label to a value that none has yet.

    fleetpatch is the user alice.
    """

    def __init__(self, plane: OwnControlPlane, folder: Path, jobs: int) -> None:
        self.plane = plane
        self._folder = folder
        self._jobs = jobs
        self._turn = 0
        self._audited = 0
        self._kubeconfig = plane.kubeconfig(folder / "kubeconfig", user="alice")
        create_spread(plane, jobs)

    def fleetpatch(self, pace: str) -> float:
        """Apply a plan of this pace to all Jobs; return the seconds that it reports for it.

        They are without those of planning. The times in the audit log are not enough: connections
        are made before the first PATCH arrives, and the more of them, the later that is.
        """
        plan = self._folder / "plan.yaml"
        plan.write_text(_PLAN.format(key=_KEY, value=self._value(), pace=pace))
        report = measure(
            fleetpatch("apply", plan, "--yes", "-o", "json"),
            {
                "KUBECONFIG": str(self._kubeconfig),
                "FLEETPATCH_STATE_DIR": str(self._folder / "state"),
            },
        ).document()
        return float(report["elapsedSeconds"] - report["planningSeconds"])

    @contextmanager
    def writer(
        self, user: str, kind: JobKind, *, concurrency: int = 32, seconds: float = 3600.0
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Let a user label objects for so long, or until the block ends, as is usual today.

        The block begins when the user does.
        """
        words = ["--server", self.plane.server, "--ca", str(self.plane.ca_file)]
        words += ["--token", self.plane.token(user), "--label", f"{_KEY}={self._value()}"]
        words += ["--kinds", f"/apis/{kind.api_version}/{kind.plural}"]
        words += ["--concurrency", str(concurrency), "--seconds", str(seconds)]
        command = [sys.executable, "-m", "bench.plain_retry", *words]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            try:
                if process.stdout is None or not process.stdout.readline():
                    raise ContenderFailedError(f"the program of the user {user} did not start")
                yield process
            finally:
                process.kill()

    def written(self, user: str, kind: JobKind, *, seconds: float, concurrency: int = 32) -> Ledger:
        """Let a user label objects for so long; return that user's PATCHes."""
        with self.writer(user, kind, concurrency=concurrency, seconds=seconds) as writer:
            if writer.wait() != 0:
                raise ContenderFailedError(f"the program of the user {user} failed")
        return self.ledgers()[user]

    def ledgers(self) -> dict[str, Ledger]:
        """Return the PATCHes of each ordinary user since the last call.

        Times are from the first one of fleetpatch, if there is one.
        """
        with (self._folder / "audit.log").open() as log:
            log.seek(self._audited)
            events = [json.loads(line) for line in log]
            self._audited = log.tell()
        found: dict[str, list[Arrival]] = {}
        for event in events:
            user = event["user"]["username"]
            if event["verb"] == "patch" and user in ("alice", "bob"):
                found.setdefault(user, []).append(_arrival(event))
        sent = found.get("alice") or found.get("bob") or []
        start = min((one.at for one in sent), default=0.0)
        return {
            user: Ledger([one._replace(at=one.at - start) for one in sorted(arrivals)])
            for user, arrivals in found.items()
        }

    def patched(self) -> Ledger:
        """Return alice's PATCHes since the last call; each Job must have been patched once."""
        ledger = self.ledgers()["alice"]
        if sum(one.status < 300 for one in ledger.arrivals) != self._jobs:
            raise ContenderFailedError(f"not each of the {self._jobs} Jobs was patched once")
        return ledger

    def _value(self) -> str:
        self._turn += 1
        return f"turn-{self._turn}"


def _arrival(event: dict[str, Any]) -> Arrival:
    at, answered = (
        datetime.fromisoformat(event[stamp]).timestamp()
        for stamp in ("requestReceivedTimestamp", "stageTimestamp")
    )
    return Arrival(at, event["responseStatus"]["code"], answered - at)


@contextmanager
def arena(jobs: int, flags: Sequence[str] = ()) -> Iterator[Arena]:
    """Start a control plane with these flags of the API server and so many Jobs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with OwnControlPlane(
            apiserver_flags=[_ONE_FILE, *flags], audit_log=folder / "audit.log"
        ) as plane:
            yield Arena(plane, folder, jobs)
