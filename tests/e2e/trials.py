"""Runs with faults injected at random instants, resumed until they are finished.

A *run* over a fleet takes as many sessions as needed; in each session at most one fault is
injected, at an instant that a seeded generator chooses. Afterwards independent witnesses
(`tests.e2e.witnesses`) must have seen each selected object changed once, and no other change.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Any, Protocol, TypeAlias

from fleetpatch.errors import Exit
from tests.e2e.injected_faults import InjectedFault
from tests.e2e.tool import Tool, end, eventually
from tests.e2e.trial_fleets import Fleet
from tests.e2e.witnesses import claims, record

PACE = {"rate": "300/s", "burst": 20, "concurrency": 16}
"""The pace of a run that lasts long enough for a fault."""

_FINISHED = (Exit.OK, Exit.SOME_FAILED)
_SESSIONS = 200
"""A run that needs more sessions makes no progress."""
_STARTING = 0.2
"""The share of faults that are injected while the process starts."""
_START = 0.6
"""Seconds after the start within which such a fault is injected."""


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
        result, process = self.result, self._tool.fork(*words, "--yes", "-o", "json")
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
            eventually(lambda: process.poll() is not None or run.works(), "work")
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
    """Start one plan twice at once; yield what differs from one run and one refusal.

    The pace of the plan must be so slow that no run ends by itself.
    """
    processes = [tool.fork("apply", file, "--yes", "-o", "json") for _ in range(2)]
    pids = [process.pid for process in processes]
    eventually(lambda: any(process.poll() is not None for process in processes), "a refusal")
    if any(process.poll() is None for process in processes):
        eventually(lambda: _is_live(tool, "ordeal"), "the other one sends")
        tool.run("pace", "ordeal", "--rate", "1000/s")
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


def _is_live(tool: Tool, name: str) -> bool:
    status = tool.run("status", name, "-o", "json")
    return bool(status.code == 0 and status.json["state"] == "running" and status.json["holder"])


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
