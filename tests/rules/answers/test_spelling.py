"""Values that a server stores in a spelling of its own: quantities, and empty lists and maps.

Covered: the answer to a PATCH, and a read after a lost answer; labels; an undo. Left out: lists
that merge by a schema (test_merges.py).
"""

from typing import Any

import pytest

from fleetpatch.model.change import BodyPatch, PatchType
from fleetpatch.model.fields import ABSENT, Fields, label
from fleetpatch.model.outcome import Reason
from fleetpatch.rules.answers.acceptance import after_patch
from fleetpatch.rules.answers.holding import is_stored
from fleetpatch.rules.answers.steps import End, Send
from tests.fakes import document, seen_whole
from tests.rules.answers.one_field import BY_US, JSON, MERGE, UNDO, L, S, read, reason, seen


@pytest.mark.parametrize(
    ("wanted", "stored"),
    [
        ({"limits": {"cpu": "1000m"}}, {"limits": {"cpu": "1"}}),
        ([{"name": "c", "args": []}], [{"name": "c"}]),
        ([{"cpu": "0.5"}, {"cpu": "1Gi"}], [{"cpu": "500m"}, {"cpu": "1073741824"}]),
        ({}, ABSENT),
    ],
)
@pytest.mark.parametrize("change", [MERGE, JSON])
def test_a_200_in_the_spelling_of_the_server_is_patched(
    change: BodyPatch, wanted: Any, stored: Any
) -> None:
    answer = seen([] if stored is ABSENT else stored, s=2)
    path = ("spec", "none") if stored is ABSENT else L

    ended = after_patch(change, {path: wanted, S: 2}, "10", answer, before={S: 1})

    assert ended.reason is Reason.PATCHED


@pytest.mark.parametrize(
    ("wanted", "stored"),
    [({"cpu": "1000m"}, {"cpu": "2"}), ([{"args": []}], [{"args": ["x"]}]), (["1"], ["1", "1"])],
)
def test_a_200_with_another_amount_is_not_effective(wanted: Any, stored: Any) -> None:
    ended = after_patch(MERGE, {L: wanted}, "10", seen(stored), before={L: 0})

    assert ended.reason is Reason.NOT_EFFECTIVE


@pytest.mark.parametrize("change", [MERGE, JSON, BodyPatch(PatchType.STRATEGIC, {})])
@pytest.mark.parametrize(
    ("wanted", "stored"),
    [
        ({"limits": {"cpu": "1000m"}}, {"limits": {"cpu": "1"}}),
        ([{"cpu": "0.5"}, {"cpu": "1024Mi"}], [{"cpu": "500m"}, {"cpu": "1Gi"}]),
        ([{"cpu": 2}], [{"cpu": "2"}]),
        ([{"name": "c", "args": []}], [{"name": "c"}]),
    ],
)
def test_after_a_lost_answer_the_spelling_of_the_server_is_as_wanted(
    change: BodyPatch, wanted: Any, stored: Any
) -> None:
    step = read(change, ["before"], wanted, seen(stored, managed=BY_US), lost=True)

    assert step == End(Reason.SETTLED_BY_READING, "", "11", {L: stored})


@pytest.mark.parametrize(
    ("wanted", "stored"), [("1", "1000m"), ("1k", "1000"), ("1", "2"), ("1Gi", "1024Mi")]
)
def test_another_amount_and_a_spelling_that_no_server_uses_are_drift(
    wanted: str, stored: str
) -> None:
    step = read(MERGE, "5", wanted, seen(stored, managed=BY_US), lost=True)

    assert reason(step) is Reason.DRIFTED


@pytest.mark.parametrize("lost", [True, False])
def test_the_spelling_of_the_server_is_not_drift_beside_a_field_that_is_sent_again(
    lost: bool,
) -> None:
    also: tuple[Fields, Fields] = ({S: "old"}, {S: "new"})
    now = seen("1", managed=BY_US, s="old")

    step = read(MERGE, "5", "1000m", now, also=also, lost=lost)

    assert isinstance(step, Send)
    assert step.goal == {L: "1000m", S: "new"}


@pytest.mark.parametrize(("before", "wanted"), [("1", "1000m"), (ABSENT, []), (ABSENT, {})])
def test_a_field_that_is_as_before_is_sent_again_whatever_the_spelling(
    before: Any, wanted: Any
) -> None:
    now = seen(before) if before is not ABSENT else seen_whole(document("etl-1", "uid-1", "11"))

    assert isinstance(read(MERGE, before, wanted, now, lost=True), Send)


def test_an_undo_wants_the_spelling_of_before() -> None:
    assert reason(read(UNDO, "5", "1000m", seen("1"), lost=True)) is Reason.DRIFTED


def test_a_label_is_stored_as_written() -> None:
    assert not is_stored(MERGE, label("size"), "1", "1000m", ABSENT)
    assert is_stored(MERGE, L, "1", "1000m", ABSENT)
