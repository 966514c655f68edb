"""The guarantees hold for one target, whatever a server, its network and other writers do.

A model: one object on a server, and before each request of ours one deed of another writer and one
fault of the server, the network or an intermediary, in any sequence that hypothesis can think of.
The intermediary answers anything after the PATCH was applied, and may deliver it twice.

Promises covered: another writer's value of our fields is never overwritten; a recreated object is
never patched; no other field is lost; a target is `applied` if and only if the object carries our
values by our hand; nothing is settled while it is in doubt; at most `attempts` PATCHes are sent.
Left out: a writer that happens to set just the planned or the wanted value (no one could tell its
hand from ours), unguarded runs (they overwrite by design).
"""

import asyncio
from collections.abc import Sequence
from enum import Enum, auto
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetpatch.engine.attempt import Deferred
from fleetpatch.engine.pacer import Pacer
from fleetpatch.engine.policy import PatchContext, PatchPolicy
from fleetpatch.engine.retry import ClusterPatcher
from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.model.answer import Answer, NoAnswer, Reply, Silence
from fleetpatch.model.change import MetadataChange
from fleetpatch.model.fields import ABSENT
from fleetpatch.model.outcome import Outcome, Reason, Settlement
from fleetpatch.model.pace import Ceilings
from fleetpatch.rules.answers.steps import OnDrift
from tests.fakes import (
    Call,
    FakeCluster,
    ObjectStore,
    VirtualClock,
    failure,
    ok,
    seen_job,
    target_of,
)
from tests.values import replace

CHANGE = MetadataChange(labels={"team": "red", "old": None})
PLANNED = seen_job({"team": "blue", "old": "x", "other": "0"})
TARGET = target_of(CHANGE, PLANNED)
NAME = TARGET.name
WANTED = {"team": "red", "old": ABSENT}
ATTEMPTS = 4


class Deed(Enum):
    """The action of another writer before our request arrives."""

    NOTHING = auto()
    SET_OTHER = auto()
    SET_OURS = auto()
    BRING_BACK_REMOVED = auto()
    DELETE = auto()
    RECREATE = auto()


class Fault(Enum):
    """The fault that our request meets."""

    NOTHING = auto()
    UNREACHABLE = auto()
    RESET_BEFORE = auto()
    RESET_AFTER = auto()
    TIMEOUT_BEFORE = auto()
    TIMEOUT_AFTER = auto()
    TOO_MANY = auto()
    UNAVAILABLE = auto()
    UNAUTHORIZED = auto()
    REFUSED_BEFORE = auto()
    ANSWERED_OTHERWISE = auto()
    DELIVERED_TWICE = auto()


Step: TypeAlias = tuple[Deed, Fault, Answer]

_BEFORE: dict[Fault, Reply] = {
    Fault.UNREACHABLE: NoAnswer(Silence.UNREACHABLE),
    Fault.RESET_BEFORE: NoAnswer(Silence.RESET),
    Fault.TIMEOUT_BEFORE: failure(504, "Timeout"),
    Fault.TOO_MANY: failure(429, "TooManyRequests", retry_after="1"),
    Fault.UNAVAILABLE: failure(503, "ServiceUnavailable"),
    Fault.UNAUTHORIZED: failure(401, "Unauthorized"),
}
_AFTER: dict[Fault, Reply] = {
    Fault.RESET_AFTER: NoAnswer(Silence.RESET),
    Fault.TIMEOUT_AFTER: failure(504, "Timeout"),
}
ANSWERS: list[Answer] = [
    *(failure(status, about=about) for status in range(100, 600) for about in ("jobs", "")),
    *(Answer(status, message="an intermediary's own words") for status in range(100, 600)),
    ok(replace(PLANNED, uid="uid-of-another")),
    ok(replace(PLANNED, name="another")),
    failure(429, "TooManyRequests", retry_after="1"),
    failure(409, "Conflict", "the object has been modified"),
    replace(failure(409, "Conflict"), owners=('conflict with "kubectl": .metadata.labels.team',)),
    failure(422, "Invalid", causes=("metadata.uid",)),
    failure(500, "InternalError", "etcdserver: request timed out"),
    failure(500, "InternalError", 'failed calling webhook "x": connection refused'),
]
"""What an intermediary may answer in the server's place."""
_DOUBTFUL = {Fault.RESET_BEFORE, Fault.TIMEOUT_BEFORE, *_AFTER}


SMOOTH: Step = (Deed.NOTHING, Fault.NOTHING, failure(500))


class World:
    """The server and all its writers; checks what must hold at every request."""

    def __init__(self, steps: Sequence[Step], *, overwriting: bool) -> None:
        self.store = ObjectStore([PLANNED])
        self.others = "0"
        self.ours_by_our_hand = False
        self.unread_doubt = False
        self._overwriting = overwriting
        self._steps = list(steps)

    def apply_before(self) -> None:
        """An earlier process of ours sent the patch, and died."""
        self.store.write(NAME, team="red", old=None)
        self.ours_by_our_hand = True

    def patch(self, call: Call) -> Reply:
        fault, answer = self._next_step()
        self.unread_doubt = fault in _DOUBTFUL
        if fault in _BEFORE:
            return _BEFORE[fault]
        if fault is Fault.REFUSED_BEFORE:
            return answer
        self._apply(call)
        if fault is Fault.ANSWERED_OTHERWISE:
            return answer
        if fault is Fault.DELIVERED_TWICE:
            self._apply(call)
        return _AFTER.get(fault, self._answer)

    def read(self, call: Call) -> Reply:
        fault, _ = self._next_step()
        if (failed := {**_BEFORE, **_AFTER}.get(fault)) is not None:
            return failed
        self.unread_doubt = False
        return self.store.read(call)

    def _apply(self, call: Call) -> None:
        before = self.store.find(NAME)
        self._answer = self.store.patch(call)
        if self._answer.status != 200:
            return
        assert before is not None
        assert before.uid == TARGET.uid, "a recreated object was patched"
        for path, planned in TARGET.before.items():
            allowed = (planned, WANTED[path[-1]])
            assert self._overwriting or before.value(path) in allowed, "drift was overwritten"
        self.ours_by_our_hand = True

    def _next_step(self) -> tuple[Fault, Answer]:
        deed, fault, answer = self._steps.pop(0) if self._steps else SMOOTH
        if NAME in self.store:
            self._interfere(deed)
        return fault, answer

    def _interfere(self, deed: Deed) -> None:
        match deed:
            case Deed.NOTHING:
                pass
            case Deed.SET_OTHER:
                self.others += "+"
                self.store.write(NAME, other=self.others)
            case Deed.SET_OURS:
                self.store.write(NAME, team="green")
            case Deed.BRING_BACK_REMOVED:
                self.store.write(NAME, old="y")
            case Deed.DELETE:
                self.store.delete(NAME)
            case Deed.RECREATE:
                self.store.recreate(NAME)
        self.ours_by_our_hand &= deed in {Deed.NOTHING, Deed.SET_OTHER}


async def deliver(
    world: World, *, on_drift: OnDrift, in_doubt: bool, guarded: bool = True
) -> tuple[Settlement | Deferred, FakeCluster]:
    clock = VirtualClock()
    cluster = FakeCluster(clock, world.patch, world.read)
    policy = PatchPolicy(
        CHANGE,
        lambda _target, _seen: True,
        on_drift=on_drift,
        guarded=guarded,
        attempts=ATTEMPTS,
    )
    patcher = ClusterPatcher(
        PatchContext(cluster, policy, Pacer(clock, Ceilings()), Shutdown(clock), clock), lambda: 0.5
    )
    return await patcher.patch(TARGET, in_doubt=in_doubt), cluster


STEPS = st.lists(
    st.tuples(
        st.sampled_from([Deed.NOTHING, *Deed]),
        st.sampled_from([Fault.NOTHING, *Fault]),
        st.sampled_from(ANSWERS),
    ),
    max_size=10,
)


@settings(max_examples=600, deadline=None)
@given(
    steps=STEPS,
    on_drift=st.sampled_from(OnDrift),
    earlier=st.sampled_from(["never sent", "sent without effect", "applied"]),
)
def test_the_guarantees_hold_whatever_happens(
    steps: list[Step], on_drift: OnDrift, earlier: str
) -> None:
    world = World(steps, overwriting=on_drift is OnDrift.OVERWRITE)
    if earlier == "applied":
        world.apply_before()

    ended, cluster = asyncio.run(
        deliver(world, on_drift=on_drift, in_doubt=earlier != "never sent")
    )

    assert len(cluster.patched) <= ATTEMPTS
    if NAME in world.store:
        assert world.store[NAME].value(("metadata", "labels", "other")) == world.others
    if isinstance(ended, Settlement):
        assert not world.unread_doubt
        assert (ended.outcome is Outcome.APPLIED) == world.ours_by_our_hand
        assert ended.attempts == len(cluster.patched)
        assert ended.attempts + ended.reads == len(cluster.calls)
        assert ended.reason is not Reason.NOT_EFFECTIVE
    else:
        assert ended.cause


@settings(max_examples=100, deadline=None)
@given(deeds=st.lists(st.sampled_from(Deed), max_size=3))
def test_without_faults_every_target_is_settled(deeds: list[Deed]) -> None:
    world = World([(deed, Fault.NOTHING, failure(500)) for deed in deeds], overwriting=False)

    ended, _ = asyncio.run(deliver(world, on_drift=OnDrift.SKIP, in_doubt=False))

    assert isinstance(ended, Settlement)
    assert ended.outcome in {Outcome.APPLIED, Outcome.SKIPPED}


PASSING = [fault for fault in Fault if fault is not Fault.REFUSED_BEFORE]


@pytest.mark.parametrize("fault", PASSING)
async def test_a_single_fault_of_any_kind_does_not_keep_a_target_from_being_applied(
    fault: Fault,
) -> None:
    world = World([(Deed.NOTHING, fault, failure(422, "Invalid"))], overwriting=False)

    ended, _ = await deliver(world, on_drift=OnDrift.SKIP, in_doubt=False)

    assert isinstance(ended, Settlement)
    assert ended.outcome is Outcome.APPLIED
    assert ended.detail == ""


@pytest.mark.parametrize("guarded", [True, False])
async def test_an_applied_patch_counts_as_ours_whatever_the_answer(guarded: bool) -> None:
    for answer in ANSWERS:
        world = World([(Deed.NOTHING, Fault.ANSWERED_OTHERWISE, answer)], overwriting=False)

        ended, _ = await deliver(world, on_drift=OnDrift.SKIP, in_doubt=False, guarded=guarded)

        assert isinstance(ended, Settlement)
        assert ended.outcome is Outcome.APPLIED, answer
        assert world.ours_by_our_hand
