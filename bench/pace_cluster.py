"""How well the pace finds itself on a real API server, counted in the server's audit log.

    python -m bench.pace_cluster [fleet] [overload]

`fleet` carries the default plan out on 5,000 Jobs beside a sweep of fixed concurrencies, in turns
and in rounds. `overload` does so as an ordinary user of a server that takes few requests at a time,
and answers all others 429 with Retry-After; beside it runs what is done today, 32 in flight, each
tried again by itself. Exits with 1 where a goal is missed.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bench.goals import Goal, run
from bench.ledger import Arrival, Ledger
from bench.plans import fleetpatch
from bench.processes import ContenderFailedError, measure
from tests.control_plane import ControlPlane, OwnControlPlane

_ROUNDS = 3
_NAMESPACES = 20
_FEW_WRITES = 8
_FEW = (
    f"--max-mutating-requests-inflight={_FEW_WRITES}",
    "--max-requests-inflight=16",
    "--enable-priority-and-fairness=false",
)
_DEFAULT = "default plan"
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


def _fixed(concurrency: int) -> str:
    return f"{{adaptive: false, concurrency: {concurrency}}}"


class Arena:
    """A real control plane full of Jobs; each turn sets a label to a value that none has yet."""

    def __init__(self, plane: ControlPlane, folder: Path, jobs: int) -> None:
        self._plane = plane
        self._folder = folder
        self._jobs = jobs
        self._turn = 0
        self._audited = 0
        self._kubeconfig = plane.kubeconfig(folder / "kubeconfig", user="alice")
        for _ in range(_NAMESPACES):
            namespace = plane.namespace()
            plane.create_jobs(jobs // _NAMESPACES, namespace, labels=lambda _: {"app": "bench"})
        self._ledger()

    def fleetpatch(self, pace: str) -> Ledger:
        """Apply a plan of this pace to all of them."""
        plan = self._folder / "plan.yaml"
        plan.write_text(_PLAN.format(key=_KEY, value=self._value(), pace=pace))
        measure(
            fleetpatch("apply", plan, "--yes", "-o", "json"),
            {
                "KUBECONFIG": str(self._kubeconfig),
                "FLEETPATCH_STATE_DIR": str(self._folder / "state"),
            },
        )
        ledger = self._ledger()
        if sum(one.status < 300 for one in ledger.arrivals) != self._jobs:
            raise ContenderFailedError(f"not each of the {self._jobs} Jobs was patched once")
        return ledger

    def plain_retry(self, seconds: float) -> Ledger:
        """What is done today, for so long."""
        words = ["--server", self._plane.server, "--ca", str(self._plane.ca_file)]
        words += ["--token", self._plane.user_token, "--seconds", str(seconds)]
        words += ["--label", f"{_KEY}={self._value()}", "--kinds", "/apis/batch/v1/jobs"]
        command = [sys.executable, "-m", "bench.plain_retry", *words]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return self._ledger()

    def _value(self) -> str:
        self._turn += 1
        return f"turn-{self._turn}"

    def _ledger(self) -> Ledger:
        """The PATCHes of the ordinary user since the last call."""
        with (self._folder / "audit.log").open() as log:
            log.seek(self._audited)
            events = [json.loads(line) for line in log]
            self._audited = log.tell()
        found = sorted(_arrival(event) for event in events if _is_ours(event))
        return Ledger([one._replace(at=one.at - found[0].at) for one in found])


def _is_ours(event: dict[str, Any]) -> bool:
    return bool(event["verb"] == "patch" and event["user"]["username"] == "alice")


def _arrival(event: dict[str, Any]) -> Arrival:
    at, answered = (
        datetime.fromisoformat(event[stamp]).timestamp()
        for stamp in ("requestReceivedTimestamp", "stageTimestamp")
    )
    return Arrival(at, event["responseStatus"]["code"], answered - at)


@contextmanager
def _arena(jobs: int, flags: Sequence[str] = ()) -> Iterator[Arena]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with OwnControlPlane(
            apiserver_flags=[_ONE_FILE, *flags], audit_log=folder / "audit.log"
        ) as plane:
            yield Arena(plane, folder, jobs)


def fleet() -> Iterator[Goal]:
    """The default plan on 5,000 Jobs beside fixed concurrencies."""
    paces = {_DEFAULT: "{}"} | {f"fixed {n}": _fixed(n) for n in (8, 16, 32, 64)}
    with _arena(5000) as arena:
        turns = _compete(arena, paces)
    rates = _medians({name: [one.rate(0.0, one.seconds) for one in turns[name]] for name in paces})
    share = rates.pop(_DEFAULT) / max(rates.values())
    yield Goal("rate of the default plan, of the best fixed", share, share >= 0.95)


def overload() -> Iterator[Goal]:
    """8 writes in flight and no more: what goes beyond is refused, and costs a second's pause."""
    paces = {_DEFAULT: "{}"} | {f"fixed {n}": _fixed(n) for n in (_FEW_WRITES // 2, _FEW_WRITES)}
    with _arena(15_000, _FEW) as arena:
        turns = _compete(arena, paces)
        plain = arena.plain_retry(seconds=10)
    goodput = _medians({name: [one.goodput for one in turns[name]] for name in paces})
    refused = statistics.median(one.refused for one in turns[_DEFAULT])
    ours, best = goodput.pop(_DEFAULT), max(goodput.values())
    yield Goal("goodput, of the best that is never refused", ours / best, ours >= 0.9 * best)
    yield Goal("refused", refused, refused <= 0.05)
    share = plain.rate(0, plain.seconds) / best
    print(f"    beside it, 32 in flight: goodput {share:.2f}, refused {plain.refused:.2f}")


def _compete(arena: Arena, paces: Mapping[str, str]) -> Mapping[str, Sequence[Ledger]]:
    """All paces in turns, round by round, another one first in each."""
    turns: dict[str, list[Ledger]] = {name: [] for name in paces}
    for number in range(_ROUNDS):
        for name in _turned(list(paces), number):
            turns[name].append(arena.fleetpatch(paces[name]))
    return turns


def _medians(rates: Mapping[str, Sequence[float]]) -> dict[str, float]:
    for name, found in rates.items():
        print(f"    {name}: " + ", ".join(f"{rate:.0f}" for rate in found) + " a second")
    return {name: statistics.median(found) for name, found in rates.items()}


def _turned(names: list[str], number: int) -> list[str]:
    """The same names, another one first in each round."""
    first = number % len(names)
    return names[first:] + names[:first]


SCENARIOS = MappingProxyType({"fleet": fleet, "overload": overload})

if __name__ == "__main__":
    run(__doc__, SCENARIOS)
