"""Runs that are disturbed at random instants and gone on with until they are finished.

A *fleet* is what a plan selects and what it leaves alone, on the real control plane. A *turn* is
one run over it, as many sessions as it takes; in each session at most one *trouble* comes, at an
instant that a seeded generator chooses. Afterwards independent witnesses (`tests.e2e.witnesses`)
must have seen every selected object changed once, and nothing else at all.
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

KEY = "kill.example.com/turn"
_TFJOBS = JOB_KINDS["tfjobs.kubeflow.org"]
_FINISHED = (Exit.OK, Exit.SOME_FAILED)
_SESSIONS = 200
"""A turn that takes more does not get on at all."""
_STARTING = 0.2
"""The share of troubles that come while the process is starting, which is a third of its life."""
_START = 0.6
"""Seconds within which such a trouble comes."""


@dataclass(frozen=True, slots=True)
class Body:
    """A way to change objects, by which a reader can tell what was applied, and how often."""

    name: str
    kind: JobKind
    patch: Callable[[str], dict[str, Any]]
    shown: Callable[[Any], list[str]]
    """An object -> the marks that it carries."""
    gathers: bool
    """Whether marks are added to those of earlier turns, or replace them."""

    def expected(self, turns: int) -> list[str]:
        """The marks that an object must carry after so many turns."""
        marks = [mark(turn) for turn in range(1, turns + 1)]
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


def mark(turn: int) -> str:
    """What a turn leaves on the objects."""
    return f"turn-{turn}"


class OtherWriter(Protocol):
    """Somebody else who writes to the objects of a fleet."""

    writes: Counter[str]
    """What it has stored, by the object's name."""

    def resting(self) -> AbstractContextManager[None]:
        """Let it write nothing while the block runs."""
        ...


class Fleet:
    """Objects that a plan selects, and others beside them that nobody must touch."""

    def __init__(self, plane: ControlPlane, body: Body, targets: int) -> None:
        """Create them, with a bystander for every ten targets."""
        self.plane, self.body, self.targets = plane, body, targets
        self.turns = 0
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
        """The plan of the turn that is on."""
        kind = f"{self.body.kind.plural}.{self.body.kind.group}"
        block = {"kinds": [kind], "namespaces": [self.namespace], "selector": "app=etl"}
        return plan("ordeal", block, patch=self.body.patch(mark(self.turns)), **more)

    def violations(self) -> Iterator[str]:
        """What a reader finds that is not as it must be after all turns so far."""
        with self.second_writer.resting() if self.second_writer else nullcontext():
            yield from self._violations(self.second_writer.writes if self.second_writer else {})

    def left_behind(self) -> Iterator[str]:
        """The objects that still carry a mark of ours."""
        for name, item in self._items().items():
            if shown := self.body.shown(item):
                yield f"{name} carries {shown} after all was undone"

    def _violations(self, others: Mapping[str, int]) -> Iterator[str]:
        items = self._items()
        stored = times_stored(self.plane, self.body.kind, self.namespace)
        if items.keys() != self._uids.keys():
            yield f"{len(items)} objects, were {len(self._uids)}"
        for name, item in items.items():
            selected = item["metadata"]["labels"]["app"] == "etl"
            turns = self.turns if selected else 0
            if (shown := self.body.shown(item)) != self.body.expected(turns):
                yield f"{name} carries {shown} after {turns} turns"
            if (times := stored[name] - self._stored[name] - others.get(name, 0)) != turns:
                yield f"{name} was stored {times} times in {turns} turns"
            if item["metadata"]["uid"] != self._uids[name]:
                yield f"{name} has another uid"

    def _items(self) -> dict[str, Any]:
        listed = self.plane.request("GET", self.body.kind.path(self.namespace)).body["items"]
        return {item["metadata"]["name"]: item for item in listed}


class Seen(Protocol):
    """A PATCH that somebody saw."""

    @property
    def at(self) -> float:
        """When it came in, in seconds since the epoch."""

    @property
    def name(self) -> str:
        """The object that it was for."""


Witness: TypeAlias = Callable[[], Iterable[Seen]]
"""All PATCHes for the fleet so far."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What happens to a session, and how the session may end then.

    `codes` are exit codes beside 0 (-9 is that of SIGKILL), `allowed` seconds until the end.
    `doubt` tells whether targets may be left in doubt, `while_starting` whether it can also come
    while the process starts.
    """

    strike: Callable[["Popen[str]"], None]
    codes: tuple[int, ...] = (-signal.SIGKILL, Exit.PAUSED)
    allowed: float = 60
    doubt: bool = True
    while_starting: bool = False


KILLED = Trouble(lambda process: process.kill(), (-signal.SIGKILL,), while_starting=True)
"""The tool's process dies."""

INTERRUPTED = Trouble(
    lambda process: process.send_signal(signal.SIGINT), (Exit.PAUSED,), allowed=5, doubt=False
)
"""Somebody presses Ctrl-C."""


def dying_apiserver(plane: ControlPlane, generator: random.Random) -> Trouble:
    """The API server dies and is started again; in half of the cases the tool dies meanwhile."""

    def strike(process: "Popen[str]") -> None:
        plane.kill_apiserver()
        try:
            _perhaps_kill(process, generator)
        finally:
            plane.start_apiserver()

    return Trouble(strike)


def dying_etcd(plane: ControlPlane, generator: random.Random) -> Trouble:
    """The server's etcd dies and is started again; in half of the cases the tool dies, too."""

    def strike(process: "Popen[str]") -> None:
        plane.kill_etcd()
        try:
            _perhaps_kill(process, generator)
        finally:
            plane.start_etcd()
            plane.wait_ready()

    return Trouble(strike)


def _perhaps_kill(process: "Popen[str]", generator: random.Random) -> None:
    time.sleep(generator.uniform(0, 1))
    if generator.random() < 0.5:
        process.kill()


@dataclass(slots=True)
class Tale:
    """What happened over all turns: the figures, and what must not have happened."""

    turns: int = 0
    troubles: int = 0
    sessions: int = 0
    in_doubt: int = 0
    """Targets found in doubt after a session, summed up."""
    reasons: Counter[str] = field(default_factory=Counter)
    patches: int = 0
    slowest: float = 0.0
    """Seconds from a trouble to the end of its session, at most."""
    violations: list[str] = field(default_factory=list)


class Trial:
    """Turns over a fleet, with troubles, each at most `span` seconds after work has begun."""

    def __init__(
        self,
        tool: Tool,
        fleet: Fleet,
        witness: Witness,
        trouble: Trouble,
        generator: random.Random,
        *,
        span: float,
    ) -> None:
        self._tool, self._fleet, self._witness = tool, fleet, witness
        self._trouble, self._generator, self._span = trouble, generator, span
        self._run_files: list[Path] = []
        self.tale = Tale()

    def run(self, troubles: int, *, turns: int = 1000, **more: Any) -> Tale:
        """Take turns until so many troubles have come; `more` goes into the plan."""
        while self.tale.troubles < troubles and self.tale.turns < turns:
            self._turn(troubles, more)
        return self.tale

    def undo_all(self) -> None:
        """Undo all turns, the last one first, and see what is left of them."""
        for run_file in reversed(self._run_files):
            ended = self._tool.run("undo", run_file, "--yes", "-o", "json")
            if ended.code or ended.json["outcomes"]["applied"] != self._fleet.targets:
                self.tale.violations.append(f"undo: exit {ended.code}: {ended.out} {ended.err}")
        self.tale.violations += self._fleet.left_behind()

    def _turn(self, troubles: int, more: dict[str, Any]) -> None:
        fleet, tale = self._fleet, self.tale
        fleet.turns += 1
        tale.turns += 1
        before = sum(1 for _ in self._witness())
        turn = _Turn(self._tool.state / "runs", self._tool.write("plan.yaml", fleet.plan(**more)))
        words: Sequence[object] = ("apply", turn.plan)
        for _ in range(_SESSIONS):
            self._session(turn, words, disturbed=tale.troubles < troubles)
            # It may be killed between its last word on record and its end.
            if turn.is_finished:
                break
            # All ways to go on must do.
            going_on = [("apply", turn.plan), ("apply", turn.run_file), ("resume", turn.run_file)]
            words = self._generator.choice(going_on)
        else:
            tale.violations.append(f"turn {tale.turns} is not finished after {_SESSIONS} sessions")
        self._run_files.append(turn.run_file)
        self._check(turn, before)

    def _session(self, turn: "_Turn", words: Sequence[object], *, disturbed: bool) -> None:
        """Start the tool, let a trouble come where it is `disturbed`, and see how it ends."""
        tale, process = self.tale, self._tool.start(*words, "--yes", "-o", "json")
        tale.sessions += 1
        try:
            hit = disturbed and self._await_moment(turn, process)
            if hit:
                tale.troubles += 1
                began = time.monotonic()
                self._trouble.strike(process)
            ended = end(process)
        finally:
            if process.poll() is None:
                process.kill()
        standings = turn.note()
        tale.in_doubt += standings["in-doubt"]
        if not hit:
            if ended.code not in (*_FINISHED, Exit.PAUSED):
                tale.violations.append(f"{words[0]}: exit {ended.code}: {ended.err}")
            return
        took = time.monotonic() - began
        tale.slowest = max(tale.slowest, took)
        if ended.code not in (*_FINISHED, *self._trouble.codes):
            tale.violations.append(
                f"{words[0]} in trouble: exit {ended.code}: {ended.err} {ended.out}"
            )
        if took > self._trouble.allowed:
            tale.violations.append(f"it took {took:.1f} s to end")
        if standings["in-doubt"] and not self._trouble.doubt:
            tale.violations.append(f"{standings['in-doubt']} targets were left in doubt")

    def _await_moment(self, turn: "_Turn", process: "Popen[str]") -> bool:
        """Wait for the instant at which trouble comes; False where the process ended before."""
        begun = turn.begun
        if begun and self._trouble.while_starting and self._generator.random() < _STARTING:
            time.sleep(self._generator.uniform(0, _START))
        else:
            eventually(lambda: process.poll() is not None or turn.works(), "work", 60)
            time.sleep(self._generator.uniform(0, self._span))
        return process.poll() is None

    def _check(self, turn: "_Turn", before: int) -> None:
        tale = self.tale
        patches = list(self._witness())
        tale.patches += len(patches) - before
        tale.violations += turn.sent_again(patches)
        again = self._tool.run("resume", turn.run_file, "-o", "json")
        if sum(1 for _ in self._witness()) != len(patches):
            tale.violations.append("a finished run sent something")
        answer = again.json
        if sum(answer["outcomes"].values()) != self._fleet.targets:
            tale.violations.append(f"the outcomes do not add up: {answer['outcomes']}")
        if answer["outcomes"]["applied"] != self._fleet.targets or again.code:
            details = {
                one["detail"] for one in self._tool.targets(turn.run_file, "--outcome", "failed")
            }
            tale.violations.append(f"not all were applied: {answer['reasons']}: {details}")
        tale.violations += self._fleet.violations()
        tale.reasons.update(answer["reasons"].get("applied", {}))
        told = Counter(
            event["name"]
            for event in self._tool.log(turn.run_file)
            if event["event"].startswith("target.")
        )
        if untold := self._fleet.targets - len(told):
            tale.violations.append(f"the log does not tell of {untold} outcomes")


def start_twice(tool: Tool, fleet: Fleet, file: Path) -> Iterator[str]:
    """Start one plan twice at once; what is not as it must be, which is one run and one refusal."""
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
        yield f"the one that ran came to {ended[1 - loser].json['outcomes']}"


class _Turn:
    """One run: its file, and since when each of its targets has had its outcome on record."""

    def __init__(self, runs: Path, plan: Path) -> None:
        self.plan = plan
        self._runs = runs
        self._before = set(runs.glob("*.run"))
        self._on_record: dict[str, float] = {}
        self._logged = 0
        self.is_finished = False

    @property
    def begun(self) -> bool:
        """Whether anything of it was claimed."""
        return any(map(claims, self._files()))

    @property
    def run_file(self) -> Path:
        """Where its record is."""
        (run_file,) = self._files()
        return run_file

    def works(self) -> bool:
        """Whether the session that is on has begun to send."""
        return self.begun and self._log_size() > self._logged

    def note(self) -> Counter[str]:
        """Remember what is on record by now; how many targets stand where."""
        found = record(self.run_file)
        self.is_finished = found.state == "finished"
        now = time.time()
        for name in found.ended:
            self._on_record.setdefault(name, now)
        self._logged = self._log_size()
        return found.counts

    def sent_again(self, patches: Iterable[Seen]) -> Iterator[str]:
        """The PATCHes for targets whose outcomes were on record by then."""
        for patch in patches:
            if patch.at > self._on_record.get(patch.name, patch.at):
                yield f"{patch.name} was sent again after its outcome was on record"

    def _files(self) -> set[Path]:
        return set(self._runs.glob("*.run")) - self._before

    def _log_size(self) -> int:
        log = self.run_file.with_suffix(".jsonl")
        return log.stat().st_size if log.exists() else 0
