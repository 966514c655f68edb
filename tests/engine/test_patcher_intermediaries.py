"""An intermediary applies a PATCH, and then answers something else.

Covered, for merge patches, JSON Patches that append, and applies: any answer after the PATCH was
applied, one that is delivered twice, another writer meanwhile, and what an earlier attempt stored.
Left out: labels alone, in any sequence (test_patcher_model.py); real servers (tests/e2e).
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from fleetpatch.engine.policy import PatchPolicy
from fleetpatch.model.answer import Answer, NoAnswer, Reply, Silence
from fleetpatch.model.change import BodyPatch, PatchType, PlanChange
from fleetpatch.model.fields import Json, label
from fleetpatch.model.outcome import Reason, Settlement
from fleetpatch.model.target import EarlierWrite, Target
from fleetpatch.rules.planning.planner import NeedsPatch, need
from fleetpatch.rules.planning.undo import values_to_restore
from tests.engine.scripted import CHANGE, TARGET, ScriptedPatcher, always_matches
from tests.fakes import (
    Call,
    DocumentStore,
    document,
    failure,
    seen_job,
    seen_whole,
    target_with,
)
from tests.values import replace

CHANGES: dict[str, PlanChange] = {
    "merge": BodyPatch(PatchType.MERGE, {"spec": {"parallelism": 3}}),
    "append": BodyPatch(PatchType.JSON, [{"op": "add", "path": "/spec/marks/-", "value": "x"}]),
    "strategic": BodyPatch(PatchType.STRATEGIC, {"metadata": {"labels": {"team": "red"}}}),
}
ANSWERS: list[Reply] = [
    failure(429, "TooManyRequests"),
    failure(408, "Timeout"),
    failure(409, "Conflict"),
    failure(422, "Invalid", about=""),
    failure(422, "Invalid", causes=("spec.marks",)),
    failure(403, "Forbidden"),
    failure(400, "BadRequest"),
    failure(500, "InternalError", "boom"),
    Answer(451),
    NoAnswer(Silence.RESET),
]

Intermediary: TypeAlias = Callable[[Call], Reply]


def planned(change: PlanChange, store: DocumentStore) -> Target:
    seen = seen_whole(store.documents["etl-1"])
    found = need(change, seen)
    assert isinstance(found, NeedsPatch)
    return target_with(seen, found.before, found.wanted)


def store() -> DocumentStore:
    spec = {"parallelism": 1, "marks": ["a"]}
    return DocumentStore([document("etl-1", "uid-1", labels={"team": "blue"}, spec=spec)])


async def settled(
    change: PlanChange, server: DocumentStore, patch: Intermediary, **more: Any
) -> tuple[Settlement, Target]:
    scripted = ScriptedPatcher(PatchPolicy(change, always_matches, **more))
    scripted.cluster.patches, scripted.cluster.reads = patch, server.read
    target = planned(change, server)
    return await scripted.settle(target), target


def once(then: Reply, server: DocumentStore) -> Intermediary:
    """Applies every PATCH; the first answer is another one."""
    answers = [then]

    def answer(call: Call) -> Reply:
        own = server.patch(call)
        return answers.pop() if answers else own

    return answer


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("answer", ANSWERS, ids=str)
async def test_an_applied_patch_counts_as_ours_and_is_undone_whatever_the_answer(
    kind: str, answer: Reply
) -> None:
    server, change = store(), CHANGES[kind]

    ended, target = await settled(change, server, once(answer, server))

    assert ended.reason is Reason.SETTLED_BY_READING
    assert server.writes["etl-1"] == 1
    assert values_to_restore(change, target, ended)[1] == target.before


@pytest.mark.parametrize("kind", CHANGES)
async def test_a_patch_that_is_delivered_twice_is_applied_once_and_ours(kind: str) -> None:
    server = store()

    def twice(call: Call) -> Reply:
        server.patch(call)
        return server.patch(call)

    ended, _ = await settled(CHANGES[kind], server, twice)

    assert ended.reason is Reason.SETTLED_BY_READING
    assert server.writes["etl-1"] == 1


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("answer", ANSWERS[:6], ids=str)
async def test_an_applied_change_counts_as_ours_when_the_attempts_are_used_up(
    kind: str, answer: Reply
) -> None:
    server = store()

    ended, _ = await settled(CHANGES[kind], server, once(answer, server), attempts=1)

    assert ended.reason is Reason.SETTLED_BY_READING


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("answer", [*ANSWERS[:1], *ANSWERS[2:3]], ids=str)
async def test_a_concurrent_change_of_another_writer_is_kept_and_ours_counts_as_ours(
    kind: str, answer: Reply
) -> None:
    server = store()

    def applied_then_changed(call: Call) -> Reply:
        server.patch(call)
        server.write("etl-1", {"metadata": {"labels": {"other": "1"}}})
        return answer

    ended, _ = await settled(CHANGES[kind], server, applied_then_changed)

    assert ended.reason is Reason.SETTLED_BY_READING
    assert server.writes["etl-1"] == 1


@pytest.mark.parametrize("kind", CHANGES)
async def test_a_refusal_that_a_read_confirms_is_final(kind: str) -> None:
    server = store()

    ended, target = await settled(
        CHANGES[kind], server, lambda _call: failure(403, "Forbidden", "no")
    )

    assert (ended.reason, ended.detail) == (Reason.FORBIDDEN, "403 no")
    assert values_to_restore(CHANGES[kind], target, ended) == ({}, {})


# What an earlier attempt of ours stored

MADE = seen_job({"team": "RED"}, version="11")
"""What a webhook makes of our label."""
EARLIER = EarlierWrite({label("team"): "RED"}, {label("team"): "blue"})


def taken_up_again() -> Target:
    return replace(TARGET, earlier=EARLIER)


async def test_our_earlier_write_does_not_count_as_a_change_of_another_writer() -> None:
    red = seen_job({"team": "red"}, version="12")
    scripted = ScriptedPatcher().will(Answer(200, red), reads=(Answer(200, MADE),))

    ended = await scripted.settle(taken_up_again(), in_doubt=True)

    assert ended.reason is Reason.PATCHED
    assert values_to_restore(CHANGE, taken_up_again(), ended)[1] == {label("team"): "blue"}


@pytest.mark.parametrize(("planned", "replaced"), [(1, True), (0, False), (1, "1")])
async def test_a_value_that_an_earlier_write_replaced_differs_by_its_type(
    planned: Json, replaced: Json
) -> None:
    earlier = EarlierWrite({label("team"): "RED"}, {label("team"): replaced})
    target = replace(TARGET, before={label("team"): planned}, earlier=earlier)
    red = seen_job({"team": "red"}, version="12")
    scripted = ScriptedPatcher().will(Answer(200, red), reads=(Answer(200, MADE),))

    ended = await scripted.settle(target, in_doubt=True)

    assert values_to_restore(CHANGE, target, ended)[1][label("team")] is replaced


@pytest.mark.parametrize(
    "answer", [Answer(200, MADE), failure(403, "Forbidden"), failure(422, "Invalid")], ids=str
)
async def test_our_earlier_write_is_recorded_for_undo_when_the_target_fails_again(
    answer: Reply,
) -> None:
    scripted = ScriptedPatcher().will(answer, reads=(Answer(200, MADE), Answer(200, MADE)))

    ended = await scripted.settle(taken_up_again(), in_doubt=True)

    assert ended.wrote == {label("team"): "RED"}
    assert values_to_restore(CHANGE, taken_up_again(), ended)[1] == {label("team"): "blue"}


async def test_a_later_value_of_another_writer_is_not_restored() -> None:
    green = seen_job({"team": "green"}, version="12")
    scripted = ScriptedPatcher().will(reads=(Answer(200, green),))

    ended = await scripted.settle(taken_up_again(), in_doubt=True)

    assert (ended.reason, ended.wrote) == (Reason.DRIFTED, None)
