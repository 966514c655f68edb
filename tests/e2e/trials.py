"""Runs with faults injected at random instants, resumed until they are finished.

A *fleet* is the objects that a plan selects, and others beside them, on the real control plane. A
*run* over it takes as many sessions as needed; in each session at most one fault is injected, at an
instant that a seeded generator chooses. Afterwards independent witnesses (`tests.e2e.witnesses`)
must have seen each selected object changed once, and no other change.
"""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from subprocess import Popen
from typing import Any, Protocol, TypeAlias

from fleetpatch.errors import Exit
from tests.control_plane import JOB_KINDS, ControlPlane, JobKind
from tests.e2e.tool import Tool, end, eventually, plan
from tests.e2e.witnesses import claims, record, times_stored

KEY = "kill.example.com/run"
_TFJOBS = JOB_KINDS["tfjobs.kubeflow.org"]
_FINISHED = (Exit.OK, Exit.SOME_FAILED)
_SESSIONS = 200
"""A run that needs more sessions makes no progress."""
_STARTING = 0.2
"""The share of faults that are injected while the process starts."""
_START = 0.6
"""Seconds after the start within which such a fault is injected."""


@dataclass(frozen=True, slots=True)
class Body:
    """A way to change objects that shows a reader what was applied, and how often."""

    name: str
    kind: JobKind
    patch: Callable[[str], dict[str, Any]]
    shown: Callable[[Any], list[str]]
    """An object -> the marks that it carries."""
    gathers: bool
    """Whether marks are added to those of earlier runs, or replace them."""
    where: str = ""
    """An expression that selects the objects, beside the selector."""

    def expected(self, runs: int) -> list[str]:
        """Return the marks that an object must have after this number of runs."""
        marks = [mark(run) for run in range(1, runs + 1)]
        return marks if self.gathers else marks[-1:]


MERGE = Body(
    "merge patch",
    JOB_KINDS["jobs.batch"],
    lambda value: {"labels": {KEY: value}},
    lambda item: [value for key, value in item["metadata"]["labels"].items() if key == KEY],
    gathers=False,
)
APPEND = Body(
    "JSON Patch, append",
    replace(_TFJOBS, spec=_TFJOBS.spec | {"marks": []}),
    lambda value: {"json": [{"op": "add", "path": "/spec/marks/-", "value": value}]},
    lambda item: list(item["spec"]["marks"]),
    gathers=True,
)
APPLY = Body(
    "server-side apply",
    JOB_KINDS["tfjobs.kubeflow.org"],
    lambda value: {"apply": {"metadata": {"labels": {KEY: value}}}},
    MERGE.shown,
    gathers=False,
)
# A computed list: what is appended twice, or computed twice, is seen.
COMPUTED = Body(
    "computed values",
    APPEND.kind,
    lambda value: {"merge": {"spec": {"marks": {"cel": f"object.spec.marks + ['{value}']"}}}},
    APPEND.shown,
    gathers=True,
    where="has(object.spec.marks) && object.metadata.labels.app == 'etl'",
)


def mark(run: int) -> str:
    """Return the mark that a run sets on the objects."""
    return f"run-{run}"


class OtherWriter(Protocol):
    """Another client that writes to the objects of a fleet."""

    writes: Counter[str]
    """The number of its writes, by the object's name."""

    def resting(self) -> AbstractContextManager[None]:
        """Pause its writes while the block runs."""
        ...


class Fleet:
    """Objects that a plan selects, and others beside them that must not change."""

    def __init__(self, plane: ControlPlane, body: Body, targets: int) -> None:
        """Create the objects: `targets` selected ones, and one other for every ten of them."""
        self.plane, self.body, self.targets = plane, body, targets
        self.runs = 0
        self.namespace = plane.namespace()
        plane.create_jobs(
            targets + targets // 10,
            self.namespace,
            body.kind,
            labels=lambda index: {"app": "etl" if index < targets else "serve"},
        )
        self.second_writer: OtherWriter | None = None
        self._stored = times_stored(plane, body.kind, self.namespace)
        self._uids = {name: item["metadata"]["uid"] for name, item in self._items().items()}

    @property
    def names(self) -> Collection[str]:
        """The names of all objects."""
        return self._uids.keys()

    def plan(self, **more: Any) -> dict[str, Any]:
        """Return the plan of the current run."""
        kind = f"{self.body.kind.plural}.{self.body.kind.group}"
        block: dict[str, Any] = {
            "kinds": [kind],
            "namespaces": [self.namespace],
            "selector": "app=etl",
        }
        if self.body.where:
            block["where"] = self.body.where
        return plan("ordeal", block, patch=self.body.patch(mark(self.runs)), **more)

    def violations(self) -> Iterator[str]:
        """Yield each object that is not as it must be after all runs so far."""
        with self.second_writer.resting() if self.second_writer else nullcontext():
            yield from self._violations(self.second_writer.writes if self.second_writer else {})

    def left_behind(self) -> Iterator[str]:
        """Yield each object that still has a mark of ours."""
        for name, item in self._items().items():
            if shown := self.body.shown(item):
                yield f"{name} has {shown} after all runs were undone"

    def _violations(self, others: Mapping[str, int]) -> Iterator[str]:
        items = self._items()
        stored = times_stored(self.plane, self.body.kind, self.namespace)
        if items.keys() != self._uids.keys():
            yield f"{len(items)} objects, were {len(self._uids)}"
        for name, item in items.items():
            selected = item["metadata"]["labels"]["app"] == "etl"
            runs = self.runs if selected else 0
            if (shown := self.body.shown(item)) != self.body.expected(runs):
                yield f"{name} has {shown} after {runs} runs"
            if (times := stored[name] - self._stored[name] - others.get(name, 0)) != runs:
                yield f"{name} was stored {times} times in {runs} runs"
            if item["metadata"]["uid"] != self._uids[name]:
                yield f"{name} has another uid"

    def _items(self) -> dict[str, Any]:
        listed = self.plane.request("GET", self.body.kind.path(self.namespace)).body["items"]
        return {item["metadata"]["name"]: item for item in listed}


class Seen(Protocol):
    """A PATCH that a witness saw."""

    @property
    def at(self) -> float:
        """The time at which it was received, in seconds since the epoch."""

    @property
    def name(self) -> str:
        """The name of its object."""


Witness: TypeAlias = Callable[[], Iterable[Seen]]
"""All PATCHes for the fleet so far."""


@dataclass(frozen=True, slots=True)
class InjectedFault:
    """A fault that is injected into a session, and how the session may end then.

    `codes` are exit codes beside 0 (-9 is that of SIGKILL), `allowed` seconds until the end.
    `doubt`: targets may be left in doubt. `while_starting`: it can also be injected while the
    process starts.
    """

    inject: Callable[["Popen[str]"], None]
    codes: tuple[int, ...] = (-signal.SIGKILL, Exit.PAUSED, Exit.TROUBLE)
    allowed: float = 60
    doubt: bool = True
    while_starting: bool = False


KILLED = InjectedFault(lambda process: process.kill(), (-signal.SIGKILL,), while_starting=True)
"""The tool's process dies."""

INTERRUPTED = InjectedFault(
    lambda process: process.send_signal(signal.SIGINT), (Exit.PAUSED,), allowed=5, doubt=False
)
"""A person presses Ctrl-C."""


def dying_apiserver(plane: ControlPlane, generator: random.Random) -> InjectedFault:
    """The API server dies and is started again; in half of the cases the tool dies meanwhile."""

    def inject(process: "Popen[str]") -> None:
        plane.kill_apiserver()
        try:
            _perhaps_kill(process, generator)
        finally:
            plane.start_apiserver()

    return InjectedFault(inject)


def dying_etcd(plane: ControlPlane, generator: random.Random) -> InjectedFault:
    """The server's etcd dies and is started again; in half of the cases the tool dies, too."""

    def inject(process: "Popen[str]") -> None:
        plane.kill_etcd()
        try:
            _perhaps_kill(process, generator)
        finally:
            plane.start_etcd()
            plane.wait_ready()

    return InjectedFault(inject)


def _perhaps_kill(process: "Popen[str]", generator: random.Random) -> None:
    time.sleep(generator.uniform(0, 1))
    if generator.random() < 0.5:
        process.kill()


@dataclass(slots=True)
class TrialResult:
    """The figures and the violations of all runs of a trial."""

    runs: int = 0
    faults: int = 0
    sessions: int = 0
    in_doubt: int = 0
    """The sum of the targets in doubt after each session."""
    reasons: Counter[str] = field(default_factory=Counter)
    patches: int = 0
    slowest: float = 0.0
    """The longest time from a fault to the end of its session, in seconds."""
    violations: list[str] = field(default_factory=list)


class Trial:
    """Runs over a fleet with faults, each at most `span` seconds after work has begun."""

    def __init__(
        self,
        tool: Tool,
        fleet: Fleet,
        witness: Witness,
        fault: InjectedFault,
        generator: random.Random,
        *,
        span: float,
    ) -> None:
        self._tool, self._fleet, self._witness = tool, fleet, witness
        self._fault, self._generator, self._span = fault, generator, span
        self._run_files: list[Path] = []
        self.result = TrialResult()

    def run(self, faults: int, *, runs: int = 1000, **more: Any) -> TrialResult:
        """Run until `faults` faults were injected; `more` is added to the plan."""
        while self.result.faults < faults and self.result.runs < runs:
            self._run_once(faults, more)
        return self.result

    def undo_all(self) -> None:
        """Undo all runs, the last one first, and check that no mark is left."""
        for run_file in reversed(self._run_files):
            ended = self._tool.run("undo", run_file, "--yes", "-o", "json")
            if ended.code or ended.json["outcomes"]["applied"] != self._fleet.targets:
                self.result.violations.append(f"undo: exit {ended.code}: {ended.out} {ended.err}")
        self.result.violations += self._fleet.left_behind()

    def _run_once(self, faults: int, more: dict[str, Any]) -> None:
        fleet, result = self._fleet, self.result
        fleet.runs += 1
        result.runs += 1
        before = sum(1 for _ in self._witness())
        run = _Run(self._tool.state / "runs", self._tool.write("plan.yaml", fleet.plan(**more)))
        words: Sequence[object] = ("apply", run.plan)
        for _ in range(_SESSIONS):
            self._session(run, words, disturbed=result.faults < faults)
            # It may have been killed after its last commit and before its end.
            if run.is_finished:
                break
            # Each of these commands must resume the run.
            resuming = [("apply", run.plan), ("apply", run.run_file), ("resume", run.run_file)]
            words = self._generator.choice(resuming)
        else:
            result.violations.append(
                f"run {result.runs} is not finished after {_SESSIONS} sessions"
            )
        self._run_files.append(run.run_file)
        self._check(run, before)

    def _session(self, run: "_Run", words: Sequence[object], *, disturbed: bool) -> None:
        """Start the tool, inject a fault if `disturbed`, and check how the session ends."""
        result, process = self.result, self._tool.start(*words, "--yes", "-o", "json")
        result.sessions += 1
        try:
            hit = disturbed and self._await_moment(run, process)
            if hit:
                result.faults += 1
                began = time.monotonic()
                self._fault.inject(process)
            ended = end(process)
        finally:
            if process.poll() is None:
                process.kill()
        standings = run.note()
        result.in_doubt += standings["in-doubt"]
        if not hit:
            if ended.code not in (*_FINISHED, Exit.PAUSED, Exit.TROUBLE):
                result.violations.append(f"{words[0]}: exit {ended.code}: {ended.err}")
            return
        took = time.monotonic() - began
        result.slowest = max(result.slowest, took)
        if ended.code not in (*_FINISHED, *self._fault.codes):
            result.violations.append(
                f"{words[0]} with a fault: exit {ended.code}: {ended.err} {ended.out}"
            )
        if took > self._fault.allowed:
            result.violations.append(f"it took {took:.1f} s to end")
        if standings["in-doubt"] and not self._fault.doubt:
            result.violations.append(f"{standings['in-doubt']} targets were left in doubt")

    def _await_moment(self, run: "_Run", process: "Popen[str]") -> bool:
        """Wait for the instant of the fault; False if the process ended before."""
        begun = run.begun
        if begun and self._fault.while_starting and self._generator.random() < _STARTING:
            time.sleep(self._generator.uniform(0, _START))
        else:
            eventually(lambda: process.poll() is not None or run.works(), "work", 60)
            time.sleep(self._generator.uniform(0, self._span))
        return process.poll() is None

    def _check(self, run: "_Run", before: int) -> None:
        result = self.result
        patches = list(self._witness())
        result.patches += len(patches) - before
        result.violations += run.sent_again(patches)
        again = self._tool.run("resume", run.run_file, "-o", "json")
        if sum(1 for _ in self._witness()) != len(patches):
            result.violations.append("a finished run sent something")
        answer = again.json
        if sum(answer["outcomes"].values()) != self._fleet.targets:
            result.violations.append(f"the outcomes do not add up: {answer['outcomes']}")
        if answer["outcomes"]["applied"] != self._fleet.targets or again.code:
            details = {
                one["detail"] for one in self._tool.targets(run.run_file, "--outcome", "failed")
            }
            result.violations.append(f"not all were applied: {answer['reasons']}: {details}")
        result.violations += self._fleet.violations()
        result.reasons.update(answer["reasons"].get("applied", {}))
        logged = Counter(
            event["name"]
            for event in self._tool.log(run.run_file)
            if event["event"].startswith("target.")
        )
        if missing := self._fleet.targets - len(logged):
            result.violations.append(f"{missing} outcomes are missing in the log")


def start_twice(tool: Tool, fleet: Fleet, file: Path) -> Iterator[str]:
    """Start one plan twice at once; yield what differs from one run and one refusal."""
    processes = [tool.start("apply", file, "--yes", "-o", "json") for _ in range(2)]
    pids = [process.pid for process in processes]
    ended = [end(process) for process in processes]
    if sorted(one.code for one in ended) != [Exit.OK, Exit.LOCKED]:
        yield f"exit codes {[one.code for one in ended]}: {[one.err for one in ended]}"
        return
    loser = ended[0].code == Exit.OK
    holder = f"process {pids[1 - loser]} on {os.uname().nodename} (since 2"
    if holder not in ended[loser].err:
        yield f"{ended[loser].err!r} does not name {holder!r}"
    if ended[1 - loser].json["outcomes"]["applied"] != fleet.targets:
        yield f"the one that ran ended with {ended[1 - loser].json['outcomes']}"


class _Run:
    """One run: its file, and since when the outcome of each target has been on record."""

    def __init__(self, runs: Path, plan: Path) -> None:
        self.plan = plan
        self._runs = runs
        self._before = set(runs.glob("*.run"))
        self._on_record: dict[str, float] = {}
        self._logged = 0
        self.is_finished = False

    @property
    def begun(self) -> bool:
        """Whether targets were claimed."""
        return any(map(claims, self._files()))

    @property
    def run_file(self) -> Path:
        """The path of its run file."""
        (run_file,) = self._files()
        return run_file

    def works(self) -> bool:
        """Return whether the current session has begun to send."""
        return self.begun and self._log_size() > self._logged

    def note(self) -> Counter[str]:
        """Note the outcomes on record; return the number of targets by standing."""
        found = record(self.run_file)
        self.is_finished = found.state == "finished"
        now = time.time()
        for name in found.ended:
            self._on_record.setdefault(name, now)
        self._logged = self._log_size()
        return found.counts

    def sent_again(self, patches: Iterable[Seen]) -> Iterator[str]:
        """Yield each PATCH for a target whose outcome was on record before."""
        for patch in patches:
            if patch.at > self._on_record.get(patch.name, patch.at):
                yield f"{patch.name} was sent again after its outcome was on record"

    def _files(self) -> set[Path]:
        return set(self._runs.glob("*.run")) - self._before

    def _log_size(self) -> int:
        log = self.run_file.with_suffix(".jsonl")
        return log.stat().st_size if log.exists() else 0
