"""A run that is interrupted, at any points, and resumed ends as if it had not been.

A model: a few objects on a server, a real run file, and one process after the other that works on
it. At each point where the world can be changed or asked (a claim, a request, a record) hypothesis
may cut the process off, lose a request or an answer, or let another writer in. A request that was
under way when its process died may still arrive, at any later point.

Promises covered, for labels, renamed labels, merge, strategic and JSON patches, among them those
that append to a list and remove from it: the objects end as they do in an undisturbed run, each of
them changed exactly once; so do the outcomes, except that `patched` may be `settled-by-reading`.
Left out: writers who touch the same fields (test_patcher_model.py), processes that are really
killed (tests/e2e), and the record's own durability (tests/journal).
"""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetpatch.engine import pipeline
from fleetpatch.engine.lane import Lane
from fleetpatch.engine.pacer import Pacer
from fleetpatch.engine.policy import PatchContext, PatchPolicy
from fleetpatch.engine.retry import ClusterPatcher
from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.engine.writer import JournalWriter, OutcomeWriter
from fleetpatch.journal import queries
from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.answer import NoAnswer, Reply, Silence
from fleetpatch.model.change import BodyPatch, MetadataChange, PatchType, PlanChange
from fleetpatch.model.outcome import Outcome, Settlement
from fleetpatch.model.pace import Ceilings
from fleetpatch.model.ports import Draft
from fleetpatch.model.target import Target, TargetId
from fleetpatch.rules.planning.planner import NeedsPatch, need
from tests.fakes import (
    JOBS,
    Answerer,
    Call,
    DocumentStore,
    FakeCluster,
    FakeEvents,
    FakeProgress,
    VirtualClock,
    document,
    failure,
    seen_whole,
)
from tests.journal.makers import NORTH, make

COUNT = 6
LATENCY = 0.1
MAX_TRIES = 50
"""Attempts for a target, and processes for a run, at most: more than there are mishaps."""

T = TypeVar("T")

CHANGES: dict[str, PlanChange] = {
    "labels": MetadataChange(
        labels={"team": "red", "old": None}, rename_labels={"owner": "team-owner"}
    ),
    "merge": BodyPatch(PatchType.MERGE, {"spec": {"limits": {"cpu": 2, "memory": None}}}),
    "strategic": BodyPatch(PatchType.STRATEGIC, {"metadata": {"labels": {"team": "red"}}}),
    "append": BodyPatch(PatchType.JSON, [{"op": "add", "path": "/spec/args/-", "value": "-v"}]),
    "shift": BodyPatch(
        PatchType.JSON,
        [
            {"op": "remove", "path": "/spec/args/0"},
            {"op": "move", "from": "/spec/args/0", "path": "/spec/args/1"},
            {"op": "add", "path": "/metadata/labels/team", "value": "red"},
        ],
    ),
}


class Mishap(Enum):
    """An event that can happen at one point."""

    NOTHING = auto()
    DIES_BEFORE = auto()
    DIES_AFTER = auto()
    LOST = auto()
    LOST_ANSWER = auto()
    LATE = auto()
    ARRIVES_NOW = auto()
    UNREACHABLE = auto()
    UNAVAILABLE = auto()
    OTHER_WRITER = auto()


class DeadError(Exception):
    """The process was killed."""


class World:
    """The state that outlives a process: objects, requests under way, and coming events."""

    def __init__(self, mishaps: Iterable[Mishap] = ()) -> None:
        self.store = DocumentStore(
            document(
                f"job-{number}",
                f"uid-{number}",
                labels={"team": "blue", "old": "x", "owner": f"o{number}", "other": "0"},
                spec={"args": ["a", "b", f"c{number}"], "limits": {"cpu": 1, "memory": number}},
            )
            for number in range(COUNT)
        )
        self.under_way: list[Call] = []
        self._mishaps = list(mishaps)
        self._others = 0

    def next(self) -> Mishap:
        """Return the event at this point."""
        return self._mishaps.pop(0) if self._mishaps else Mishap.NOTHING

    def let_arrive(self) -> None:
        """Deliver the requests that were under way."""
        while self.under_way:
            call = self.under_way.pop(0)
            if call.verb == "PATCH":
                self.store.patch(call)

    def interfere(self, name: str) -> None:
        """Another writer changes something of no concern to us."""
        self._others += 1
        self.store.write(name, {"metadata": {"labels": {"other": str(self._others)}}})

    def objects(self) -> list[Any]:
        """Return the final state of the objects, without versions."""
        ended = []
        for one in self.store.documents.values():
            metadata = {key: one["metadata"][key] for key in ("name", "uid")}
            labels = {k: v for k, v in one["metadata"]["labels"].items() if k != "other"}
            ended.append({**one, "metadata": {**metadata, "labels": labels}})
        return ended


class Wire(FakeCluster):
    """A request under way when its sender dies; it may still arrive at any later point."""

    world: World

    async def _answer(self, call: Call, answerer: Answerer) -> Reply:
        try:
            return await super()._answer(call, answerer)
        except asyncio.CancelledError:
            self.world.under_way.append(call)
            raise


class Process:
    """One process at work on the run file; keeps the port Journal."""

    def __init__(self, world: World, run: RunFile, policy: PatchPolicy) -> None:
        self._world = world
        self._run = run
        clock = VirtualClock()
        cluster = Wire(clock, self._patch, self._read, LATENCY, name=NORTH.name)
        cluster.world = world
        patcher = ClusterPatcher(
            PatchContext(cluster, policy, Pacer(clock, Ceilings()), Shutdown(clock), clock),
            lambda: 0.5,
        )
        writer = JournalWriter(self)
        self._lane = Lane(patcher, writer, concurrency=3)
        self._outcomes = OutcomeWriter(writer, clock, FakeEvents(), FakeProgress())

    async def work(self) -> None:
        """Go on with the run until it rests or dies."""
        with suppress(DeadError):
            await pipeline.run([self._lane], self._outcomes)

    def claim(
        self, cluster: str, *, limit: int, last: int | None = None, after: int = 0
    ) -> Sequence[Target]:
        return self._write(
            lambda: self._run.claim(cluster, limit=min(limit, 2), last=last, after=after)
        )

    def release(self, targets: Iterable[Target]) -> None:
        self._write(lambda: self._run.release(targets))

    def in_doubt(self, cluster: str, *, after: int, limit: int) -> Sequence[Target]:
        return self._write(lambda: self._run.in_doubt(cluster, after=after, limit=min(limit, 2)))

    def record(self, settlements: Iterable[Settlement]) -> None:
        self._write(lambda: self._run.record(settlements))

    def add(self, drafts: Iterable[Draft]) -> None:  # noqa: ARG002 - the port has it
        raise AssertionError("planned long ago")

    def found(self) -> int:
        raise AssertionError("planned long ago")

    def _write(self, change: Callable[[], T]) -> T:
        match self._world.next():
            case Mishap.DIES_BEFORE:
                raise DeadError
            case Mishap.DIES_AFTER:
                change()
                raise DeadError
            case Mishap.ARRIVES_NOW:
                self._world.let_arrive()
        return change()

    def _patch(self, call: Call) -> Reply:
        return self._ask(call, self._world.store.patch)

    def _read(self, call: Call) -> Reply:
        return self._ask(call, self._world.store.read)

    def _ask(self, call: Call, answer: Answerer) -> Reply:
        world = self._world
        match world.next():
            case Mishap.DIES_BEFORE:
                world.under_way.append(call)
                raise DeadError
            case Mishap.DIES_AFTER:
                answer(call)
                raise DeadError
            case Mishap.LOST:
                return NoAnswer(Silence.RESET)
            case Mishap.LOST_ANSWER:
                answer(call)
                return NoAnswer(Silence.RESET)
            case Mishap.LATE:
                world.under_way.append(call)
                return NoAnswer(Silence.TIMEOUT)
            case Mishap.ARRIVES_NOW:
                world.let_arrive()
            case Mishap.UNREACHABLE:
                return NoAnswer(Silence.UNREACHABLE)
            case Mishap.UNAVAILABLE:
                return failure(503, "ServiceUnavailable")
            case Mishap.OTHER_WRITER:
                world.interfere(call.target.name)
        return answer(call)


@dataclass(frozen=True)
class Ended:
    """A run at its end: what it has left behind, and after how many processes."""

    objects: list[Any]
    outcomes: dict[TargetId, Outcome]
    writes: Counter[str]
    processes: int


def carried_out(
    change: PlanChange, mishaps: Iterable[Mishap] = (), *, guarded: bool = True
) -> Ended:
    """Plan and carry out a run, with as many processes as it takes."""
    world = World(mishaps)
    policy = PatchPolicy(change, lambda _target, _seen: True, guarded=guarded, attempts=MAX_TRIES)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.run"
        make(path, [_draft(change, whole) for whole in world.store.documents.values()]).close()
        processes = 0
        for processes in range(1, MAX_TRIES):  # noqa: B007 - its last value is the count
            run = RunFile.open(path, write=True)
            asyncio.run(Process(world, run, policy).work())
            listed = list(queries.targets(run))
            run.database.connection.close()  # as a process ends that is killed
            if all(one.settlement for one in listed):
                break
        world.let_arrive()
        outcomes = {one.target.id: one.settlement.outcome for one in listed if one.settlement}
        return Ended(world.objects(), outcomes, world.store.writes, processes)


def _draft(change: PlanChange, whole: Any) -> Draft:
    seen = seen_whole(whole)
    found = need(change, seen)
    assert isinstance(found, NeedsPatch)
    return Draft(NORTH.name, JOBS, seen, found.before, 0, found.wanted)


ONCE = Counter(f"job-{number}" for number in range(COUNT))
MISHAPS = st.lists(st.sampled_from([Mishap.NOTHING] * len(Mishap) + list(Mishap)), max_size=40)


@cache
def undisturbed(kind: str) -> Ended:
    ended = carried_out(CHANGES[kind])
    assert ended.processes == 1
    return ended


@pytest.mark.parametrize("kind", CHANGES)
@settings(max_examples=25, deadline=None)
@given(mishaps=MISHAPS)
def test_a_run_that_is_cut_off_anywhere_ends_as_one_that_is_not(
    kind: str, mishaps: list[Mishap]
) -> None:
    ended, whole = carried_out(CHANGES[kind], mishaps), undisturbed(kind)

    assert ended.writes == whole.writes == ONCE
    assert ended.objects == whole.objects
    assert ended.outcomes == whole.outcomes
    assert list(ended.outcomes.values()) == [Outcome.APPLIED] * COUNT


@pytest.mark.parametrize("kind", CHANGES)
@settings(max_examples=15, deadline=None)
@given(mishaps=MISHAPS)
def test_an_interrupted_run_without_a_version_guard_patches_each_object_once(
    kind: str, mishaps: list[Mishap]
) -> None:
    ended = carried_out(CHANGES[kind], mishaps, guarded=False)

    assert ended.writes == ONCE
    assert ended.objects == undisturbed(kind).objects
