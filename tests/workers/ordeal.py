"""Runs over workers with faults injected at random instants, resumed until they are finished.

Each run changes every target of a farm once: runs of odd numbers append a mark by JSON Patch, which
shows a change that was applied twice, the others set a label. After each run every target has the
marks of all runs, once each, and no other object was touched. A target whose outcome was on record
at the end of a fault has received no PATCH since then.
"""

import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Any, TypeAlias

from fleetpatch.errors import Exit
from tests.cli.calling import Ended
from tests.e2e.tool import Tool, end, plan
from tests.workers.farm import Farm, Key, OtherWriter
from tests.workers.link import Link
from tests.workers.machines import Machines

WORKER_TIMEOUT = 15.0
"""Seconds; the default of `--worker-timeout`."""

_SESSIONS = 100
"""A run that needs more sessions makes no progress."""

_LABEL = "ordeal.example.com/run"
_PATIENT = {"attempts": 20, "maxDelay": "1s", "budget": "100%"}


@dataclass(slots=True)
class Surroundings:
    """What faults act on; `span` are the seconds within which one is injected after another."""

    farm: Farm
    machines: Machines
    generator: random.Random
    span: float
    link: Link | None = None
    worker_timeout: float = WORKER_TIMEOUT


Fault: TypeAlias = Callable[[Surroundings, "Popen[str]"], None]
"""Injects a fault, and heals it before it returns."""


def kill_a_worker(around: Surroundings, _process: "Popen[str]") -> None:
    """SIGKILL."""
    around.machines.kill(around.generator.randrange(around.machines.workers))


def suspend_a_worker(around: Surroundings, _process: "Popen[str]") -> None:
    """SIGSTOP for longer than the timeout, then SIGCONT."""
    with around.machines.suspended(around.generator.randrange(around.machines.workers)):
        time.sleep(around.worker_timeout + around.generator.uniform(1, 3))


def kill_the_coordinator(_around: Surroundings, process: "Popen[str]") -> None:
    """SIGKILL; the run is resumed."""
    process.kill()


def cut_the_link(around: Surroundings, _process: "Popen[str]") -> None:
    """Reset the connections between workers and coordinator, or forward nothing for a while."""
    if around.link is None:
        raise AssertionError("this fault needs a link")
    cut = around.link.cut if around.generator.random() < 0.5 else around.link.silent
    with cut():
        time.sleep(around.generator.uniform(0, around.worker_timeout / 2))


def kill_the_scheduler(around: Surroundings, _process: "Popen[str]") -> None:
    """SIGKILL; it is started again some seconds later, and so are its workers."""
    with around.machines.without_scheduler():
        time.sleep(around.generator.uniform(0, 3))


@dataclass(slots=True)
class OrdealResult:
    """The figures and the violations of all runs."""

    runs: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    runs_with: Counter[str] = field(default_factory=Counter)
    """The number of runs with each kind of fault."""
    violations_with: Counter[str] = field(default_factory=Counter)
    """The number of violations in runs with each kind of fault."""
    sessions: int = 0
    patches: int = 0
    lost: int = 0
    """The number of events `worker.lost`."""
    shards: int = 0
    """The number of events `shard.started`."""
    reasons: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)


class Ordeal:
    """Runs over a farm; `plan_sections` are added to each plan."""

    def __init__(
        self,
        around: Surroundings,
        tool: Tool,
        writer: OtherWriter | None = None,
        **plan_sections: Any,
    ) -> None:
        self._around, self._tool, self._writer = around, tool, writer
        self._sections = plan_sections
        self._expected: dict[str, list[str]] = {"marks": [], "labels": []}
        self._confirmed: dict[Key, int] = {}
        self.result = OrdealResult()

    @property
    def _total(self) -> int:
        return len(self._around.farm.clusters) * self._around.farm.targets

    def run(
        self,
        faults: Sequence[Fault],
        runs: int = 1,
        each: Callable[[OrdealResult], None] = lambda _result: None,
    ) -> OrdealResult:
        """Inject all faults, in as many runs as that takes, and at least `runs`.

        `each` is called after each run, with the result so far.
        """
        waiting, result = list(faults), self.result
        while waiting or result.runs < runs:
            faults_before, violations_before = Counter(result.faults), len(result.violations)
            self._run_once(waiting)
            violations = len(result.violations) - violations_before
            for kind in result.faults - faults_before:
                result.runs_with[kind] += 1
                result.violations_with[kind] += violations
            each(result)
        return result

    def _run_once(self, waiting: list[Fault]) -> None:
        result = self.result
        result.runs += 1
        self._confirmed.clear()
        plan_file = self._tool.write("plan.yaml", self._plan(f"run-{result.runs}"))
        before = set(self._tool.state.glob("runs/*.run"))
        words: Sequence[object] = ("apply", plan_file)
        for _ in range(_SESSIONS):
            ended = self._session(words, waiting, before)
            (run_file,) = set(self._tool.state.glob("runs/*.run")) - before
            if _state(run_file) == "finished":
                self._check(run_file, ended)
                return
            words = ("resume", run_file)
        result.violations.append(f"run {result.runs} is not finished after {_SESSIONS} sessions")

    def _plan(self, mark: str) -> dict[str, Any]:
        appends = self.result.runs % 2 == 1
        if appends:
            self._expected["marks"].append(mark)
            patch: dict[str, Any] = {
                "json": [{"op": "add", "path": "/spec/marks/-", "value": mark}]
            }
        else:
            self._expected["labels"] = [mark]
            patch = {"labels": {_LABEL: mark}}
        fleet = [{"name": name, "context": name} for name in self._around.farm.clusters]
        block = {"kinds": ["tfjobs.kubeflow.org"], "selector": "app=etl"}
        sections = {"retry": _PATIENT, **self._sections}
        return plan("ordeal", block, patch=patch, fleet=fleet, **sections)

    def _session(self, words: Sequence[object], waiting: list[Fault], before: set[Path]) -> Ended:
        around, result = self._around, self.result
        where = ("--workers", around.machines.address)
        timeout = ("--worker-timeout", f"{around.worker_timeout:g}s")
        process = self._tool.fork(
            *words, "--yes", "-o", "json", "--progress", "off", *where, *timeout
        )
        result.sessions += 1
        sent = self._sent()
        codes: set[int] = {Exit.OK}
        try:
            while waiting and self._works(process, sent):
                time.sleep(around.generator.uniform(0, around.span))
                if process.poll() is not None:
                    break
                fault = waiting.pop(0)
                fault(around, process)
                result.faults[fault.__name__] += 1
                codes |= {-9} if fault is kill_the_coordinator else {Exit.TROUBLE}
                self._confirm(before)
            ended = end(process, 600)
        finally:
            if process.poll() is None:
                process.kill()
        if ended.code not in codes:
            result.violations.append(f"{words[0]}: exit {ended.code}: {ended.err} {ended.out}")
        return ended

    def _works(self, process: "Popen[str]", sent: int) -> bool:
        """Wait until PATCHes arrive; return False if the process ends before."""
        while process.poll() is None:
            if self._sent() > sent + self._total / 50:
                return True
            time.sleep(0.05)
        return False

    def _sent(self) -> int:
        """Count the PATCHes that were not those of the other writer, about."""
        others = self._writer.writes.total() if self._writer else 0
        return self._around.farm.received() - others

    def _confirm(self, before: set[Path]) -> None:
        """Note how many PATCHes the targets received whose outcomes are on record."""
        run_files = set(self._tool.state.glob("runs/*.run")) - before
        for run_file in run_files:
            # Read first: what arrives after this is too late for these.
            ended = _ended(run_file)
            received = self._received()
            for key in ended - self._confirmed.keys():
                self._confirmed[key] = received[key]

    def _received(self) -> Counter[Key]:
        """Count the PATCHes that were not those of the other writer."""
        if self._writer is None:
            return self._around.farm.patches()
        with self._writer.resting():
            found = self._around.farm.patches()
            found.subtract(self._writer.writes)
            return found

    def _check(self, run_file: Path, ended: Ended) -> None:
        result, farm = self.result, self._around.farm
        answer = self._tool.run("status", run_file, "-o", "json").json
        received = self._received()
        result.patches = sum(received.values())
        for key, count in self._confirmed.items():
            if received[key] != count:
                result.violations.append(f"{key} was sent again after its outcome was on record")
        if answer["outcomes"]["applied"] != self._total:
            result.violations.append(
                f"run {result.runs}: {answer['outcomes']} {answer['reasons']}: {ended.err}"
            )
        result.reasons.update(answer["reasons"].get("applied", {}))
        logged = Counter(
            (line["cluster"], line["name"])
            for line in self._tool.log(run_file)
            if line["event"].startswith("target.")
        )
        events = Counter(line["event"] for line in self._tool.log(run_file))
        result.lost += events["worker.lost"]
        result.shards += events["shard.started"]
        if missing := self._total - len(logged):
            result.violations.append(f"{missing} outcomes are missing in the log")
        for key, item in farm.objects():
            result.violations += self._violations(key, item, received)

    def _violations(self, key: Key, item: Any, received: Mapping[Key, int]) -> Iterator[str]:
        farm, metadata = self._around.farm, item["metadata"]
        if metadata["labels"]["app"] != "etl":
            if received.get(key) or metadata["resourceVersion"] != farm.versions[key]:
                yield f"{key} was not selected, and was touched"
            return
        found = {
            "marks": item["spec"]["marks"],
            "labels": [value for name, value in metadata["labels"].items() if name == _LABEL],
        }
        if found != self._expected:
            yield f"{key} has {found}, expected {self._expected}"


def _connected(run_file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{run_file.absolute().as_uri()}?mode=ro", uri=True, timeout=30)


def _state(run_file: Path) -> str:
    with closing(_connected(run_file)) as connection:
        (row,) = connection.execute("SELECT value FROM meta WHERE key = 'state'")
    return str(row[0])


def _ended(run_file: Path) -> set[Key]:
    query = "SELECT cluster, name FROM standings WHERE standing NOT IN ('pending', 'in-doubt')"
    with closing(_connected(run_file)) as connection:
        return {(cluster, name) for cluster, name in connection.execute(query)}
