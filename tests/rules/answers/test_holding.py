"""What is decided about fields that hold more than was wanted, by their values before the change.

Covered: removals in lists and maps that were not done, after a read and after a 200; defaults that
a server adds again; lost answers; values of other writers, also in an undo. Left out: the
comparison itself (test_covering.py), lists that merge by a schema (test_merges.py), spelling
(test_spelling.py).
"""

from typing import Any

import pytest

from fleetpatch.model.change import BodyPatch, Change, PatchType
from fleetpatch.model.fields import ABSENT, Fields
from fleetpatch.model.outcome import Reason
from fleetpatch.rules.answers.acceptance import after_patch
from fleetpatch.rules.answers.holding import is_stored
from fleetpatch.rules.answers.steps import End, Send
from tests.rules.answers.one_field import (
    BY_OTHER,
    BY_US,
    JSON,
    MERGE,
    UNDO,
    L,
    S,
    read,
    reason,
    seen,
)

ENV: Any = [{"name": "c", "image": "i", "env": ["A"]}]
NO_ENV: Any = [{"name": "c", "image": "i"}]
OTHER: Any = [{"name": "c", "image": "i", "env": ["OTHER"], "args": ["OTHER"]}]
DEFAULTS: dict[str, Any] = {"imagePullPolicy": "Always", "resources": {}}


@pytest.mark.parametrize("lost", [True, False])
@pytest.mark.parametrize("change", [MERGE, JSON, BodyPatch(PatchType.STRATEGIC, {})])
@pytest.mark.parametrize(
    ("before", "wanted"),
    [(ENV, NO_ENV), ({"a": 1, "b": 2}, {"a": 1}), ({"a": {"x": {}}}, {"a": {"x": {}, "y": None}})],
)
def test_a_removal_that_was_not_carried_out_is_sent_again(
    change: Change, before: Any, wanted: Any, lost: bool
) -> None:
    step = read(change, before, wanted, seen(before, managed=BY_US), lost=lost)

    assert step == Send({L: wanted}, "11")


@pytest.mark.parametrize("lost", [True, False])
@pytest.mark.parametrize("change", [MERGE, JSON])
def test_what_another_writer_made_of_a_field_to_remove_is_drift(change: Change, lost: bool) -> None:
    step = read(change, ENV, NO_ENV, seen(OTHER, managed=BY_OTHER), lost=lost)

    assert reason(step) is Reason.DRIFTED


@pytest.mark.parametrize("lost", [True, False])
def test_defaults_of_a_new_and_of_an_old_entry_do_not_hide_our_change(lost: bool) -> None:
    wanted = [{"name": "c", "image": "new"}, {"name": "d", "image": "new"}]
    before = [{"name": "c", "image": "old", **DEFAULTS}]
    now = [{**entry, **DEFAULTS} for entry in wanted]

    step = read(MERGE, before, wanted, seen(now, managed=BY_US), lost=lost)

    assert isinstance(step, End)
    assert (step.reason, step.wrote) == (Reason.SETTLED_BY_READING, {L: now})


# A default of a custom kind, which a list that replaces the old one lacks.
KEPT: Any = [{"name": "c", "n": 1, "x": "old"}]
X_NEW: Any = [{"name": "c", "x": "new"}]
KEPT_NEW: Any = [{"name": "c", "n": 1, "x": "new"}]


@pytest.mark.parametrize("lost", [True, False])
@pytest.mark.parametrize(
    ("before", "wanted", "now"),
    [(KEPT, X_NEW, KEPT_NEW), (KEPT, [{"name": "c"}], [{"name": "c", "n": 1}])],
)
def test_a_default_of_a_custom_kind_is_ours_beside_a_change_if_we_own_the_field(
    before: Any, wanted: Any, now: Any, lost: bool
) -> None:
    # Without a lost answer, another run of ours has made the change.
    ours = read(MERGE, before, wanted, seen(now, managed=BY_US), lost=lost)
    others = read(MERGE, before, wanted, seen(now, managed=BY_OTHER), lost=lost)

    assert reason(ours) is Reason.SETTLED_BY_READING
    assert reason(others) is Reason.DRIFTED


@pytest.mark.parametrize(
    ("lost", "managed", "expected"),
    [
        (True, BY_US, Reason.SETTLED_BY_READING),
        (False, BY_US, Reason.DRIFTED),
        (True, [*BY_US, *BY_OTHER], Reason.DRIFTED),
        (True, [], Reason.DRIFTED),
    ],
)
def test_a_default_in_place_of_what_was_removed_is_ours_if_only_we_have_written_the_field(
    lost: bool, managed: Any, expected: Reason
) -> None:
    before, now = [{"name": "c", "n": 5, "x": "old"}], [{"name": "c", "n": 1, "x": "new"}]

    assert reason(read(MERGE, before, X_NEW, seen(now, managed=managed), lost=lost)) is expected


@pytest.mark.parametrize("lost", [True, False])
def test_an_addition_alone_does_not_show_that_our_patch_was_carried_out(lost: bool) -> None:
    now = [{**ENV[0], "args": ["OTHER"]}]

    step = read(MERGE, ENV, NO_ENV, seen(now, managed=BY_US), lost=lost)

    assert reason(step) is Reason.DRIFTED


REPLACED = {"op": "replace", "path": "/spec/l", "value": X_NEW}
REMOVED = {"op": "remove", "path": "/spec/l/0/n"}


@pytest.mark.parametrize(
    ("operation", "expected"),
    [(REPLACED, Reason.SETTLED_BY_READING), (REMOVED, Reason.NOT_EFFECTIVE)],
)
def test_a_json_patch_whose_answer_was_lost_is_compared_as_one_that_was_carried_out(
    operation: Any, expected: Reason
) -> None:
    change = BodyPatch(PatchType.JSON, [operation, {"op": "add", "path": "/spec/s", "value": 1}])
    also: tuple[Fields, Fields] = ({S: "old"}, {S: "new"})
    now = seen(KEPT_NEW, managed=BY_US, s="new")

    step = read(change, KEPT_NEW, X_NEW, now, also=also, lost=True)

    assert isinstance(step, End)
    assert (step.reason, step.wrote) == (
        expected,
        {L: KEPT_NEW, S: "new"} if expected is Reason.SETTLED_BY_READING else {S: "new"},
    )


def test_a_wanted_value_with_more_in_it_is_not_overwritten_for_the_sake_of_another_field() -> None:
    now = seen([{"name": "c", "image": "new", "env": ["OTHER"]}], s="old", managed=BY_OTHER)
    also: tuple[Fields, Fields] = ({S: "old"}, {S: "new"})

    step = read(
        MERGE, NO_ENV, [{"name": "c", "image": "new"}], now, also=also, sent=False, lost=False
    )

    assert reason(step) is Reason.DRIFTED


@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize("lost", [True, False])
@pytest.mark.parametrize(
    "now",
    [
        OTHER,
        [{"name": "c", "image": "i", "args": ["OTHER"]}],
        [{"name": "c", "image": "i", "env": ["A"], "args": ["OTHER"]}],
    ],
)
def test_an_undo_overwrites_no_later_change_within_a_field(
    now: Any, lost: bool, sent: bool
) -> None:
    # The run set `env`, so the undo removes it.
    step = read(UNDO, ENV, NO_ENV, seen(now, managed=BY_OTHER), sent=sent, lost=lost)

    assert reason(step) is Reason.DRIFTED


def test_an_undo_of_a_map_overwrites_no_later_change_in_it() -> None:
    step = read(UNDO, {"a": 1, "b": 2}, {"a": 1}, seen({"a": 1, "b": 3, "c": 4}), sent=False)

    assert reason(step) is Reason.DRIFTED


def json(*operations: Any) -> BodyPatch:
    return BodyPatch(PatchType.JSON, list(operations))


REMOVES = json(
    {"op": "test", "path": "/spec/l", "value": ENV},
    {"op": "remove", "path": "/spec/l/0/env"},
    {"op": "replace", "path": "/spec/s", "value": {"a": 1}},
)


@pytest.mark.parametrize("version", ["10", "11"])
@pytest.mark.parametrize("change", [REMOVES, UNDO, BodyPatch(PatchType.STRATEGIC, {})])
@pytest.mark.parametrize(
    ("before", "wanted"), [(ENV, NO_ENV), ({"a": 1, "b": 2}, {"a": 1}), (NO_ENV, ENV)]
)
def test_a_200_with_the_value_before_is_not_effective(
    change: Change, before: Any, wanted: Any, version: str
) -> None:
    ended = after_patch(change, {L: wanted}, "10", seen(before, version), before={L: before})

    assert ended.reason is Reason.NOT_EFFECTIVE


@pytest.mark.parametrize("version", ["10", "11"])
@pytest.mark.parametrize(
    "change",
    [
        MERGE,
        BodyPatch(PatchType.APPLY, {}),
        json({"op": "replace", "path": "/spec/l/0", "value": {}}),
        json({"op": "replace", "path": "/spec/l", "value": [[{}]]}),
        json({"op": "remove", "path": "/spec/l/0/env"}, {"op": "copy", "path": "/spec/l/1"}),
    ],
)
@pytest.mark.parametrize(("before", "wanted"), [(ENV, NO_ENV), ({"a": 1, "b": 2}, {"a": 1})])
def test_a_200_with_the_value_before_is_unchanged_if_the_rest_of_it_may_be_defaults(
    change: Change, before: Any, wanted: Any, version: str
) -> None:
    ended = after_patch(change, {L: wanted}, "10", seen(before, version), before={L: before})
    tried = after_patch(
        change, {L: wanted}, "10", seen(before, version), before={L: before}, dry_run=True
    )

    assert ended.reason is Reason.ALREADY_SET
    assert ended.detail == f"spec.l is still {before!r}, which counts as {wanted!r}"
    assert tried.reason is Reason.DRY_RUN


def test_a_200_with_a_wanted_value_that_is_still_another_is_not_effective() -> None:
    other = [{**KEPT[0], "more": [1]}]

    assert after_patch(MERGE, {L: X_NEW}, "10", seen(KEPT, "10"), before={L: KEPT}).reason is (
        Reason.NOT_EFFECTIVE
    )
    assert after_patch(MERGE, {L: X_NEW}, "10", seen(other), before={L: KEPT}).reason is (
        Reason.NOT_EFFECTIVE
    )


def test_a_200_that_changed_another_field_is_patched_and_records_the_defaults() -> None:
    now = seen(KEPT_NEW, s="new")

    ended = after_patch(MERGE, {L: X_NEW, S: "new"}, "10", now, before={L: KEPT_NEW, S: "old"})

    assert ended == End(Reason.PATCHED, "", "11", {L: KEPT_NEW, S: "new"})


def test_what_a_json_patch_removes_must_be_gone_beside_another_change() -> None:
    change = json(
        {"op": "replace", "path": "/spec/l/0/image", "value": "new"},
        {"op": "remove", "path": "/spec/l/0/env"},
    )
    wanted, now = [{"name": "c", "image": "new"}], [{**ENV[0], "image": "new"}]

    ended = after_patch(change, {L: wanted}, "10", seen(now), before={L: ENV})
    merged = after_patch(MERGE, {L: wanted}, "10", seen(now), before={L: ENV})

    assert ended.reason is Reason.NOT_EFFECTIVE
    assert merged.reason is Reason.PATCHED


@pytest.mark.parametrize(
    ("before", "wanted", "now"),
    [
        # Defaults in a new entry, and those that a body left out.
        ([], [{"name": "c"}], [{"name": "c", "more": 1}]),
        ([{"name": "c", "x": 1, **DEFAULTS}], [{"name": "c", "x": 2}], None),
        # Of a custom kind, too.
        ([{"name": "c", "x": 1, "n": 1}], [{"name": "c", "x": 2}], [{"name": "c", "x": 2, "n": 1}]),
        # A default in place of what was removed.
        ([{"name": "c", "n": 5}], [{"name": "c"}], [{"name": "c", "n": 1}]),
        ([{"name": "c", "n": 5}], [{"name": "c", "n": None}], [{"name": "c"}]),
    ],
)
def test_a_200_with_defaults_is_patched_and_records_them(
    before: Any, wanted: Any, now: Any
) -> None:
    now = [{**wanted[0], **DEFAULTS}] if now is None else now

    ended = after_patch(MERGE, {L: wanted}, "10", seen(now), before={L: before})

    assert ended == End(Reason.PATCHED, "", "11", {L: now})


def test_a_list_that_lacks_only_defaults_is_unchanged() -> None:
    there = [{"name": "c", "image": "new", **DEFAULTS}]
    wanted = [{"name": "c", "image": "new"}]

    ended = after_patch(MERGE, {L: wanted}, "10", seen(there, "10"), before={L: there})

    assert ended.reason is Reason.ALREADY_SET


def test_an_undo_that_put_back_only_a_part_is_not_effective() -> None:
    before, wanted = [{"name": "c", "x": 2, "env": ["A"]}], [{"name": "c", "x": 1}]
    now = [{"name": "c", "x": 1, "env": ["A"]}]

    ended = after_patch(UNDO, {L: wanted}, "10", seen(now), before={L: before})

    assert ended.reason is Reason.NOT_EFFECTIVE


def test_without_managed_fields_a_change_whose_answer_was_lost_may_be_ours() -> None:
    before: Any = [{"name": "c", "image": "i", "policy": "A"}]
    wanted: Any = [{"name": "c", "image": "new"}]
    now: Any = [{"name": "c", "image": "new", "policy": "A"}]

    assert reason(read(MERGE, before, wanted, seen(now), lost=True)) is Reason.SETTLED_BY_READING
    by_other = seen(now, managed=BY_OTHER)
    assert reason(read(MERGE, before, wanted, by_other, lost=True)) is Reason.DRIFTED


@pytest.mark.parametrize("default", [{"emptyDir": {}}, {"path": "/"}, {"metadata": {}}])
def test_a_default_that_a_server_adds_again_is_no_change(default: dict[str, Any]) -> None:
    there, wanted = [{"name": "c", **default}], [{"name": "c"}]

    assert is_stored(BodyPatch(PatchType.STRATEGIC, {}), L, there, wanted, there)


def test_a_list_as_wanted_is_not_sent_again_after_a_lost_answer() -> None:
    wanted, stored = [{"name": "c", "x": "new"}], [{"name": "c", "x": "new", "n": 1}]
    for now in (wanted, stored):
        step = read(MERGE, [{"name": "c"}], wanted, seen(now, managed=BY_US), lost=True)
        assert reason(step) is Reason.SETTLED_BY_READING


def test_a_field_that_another_writer_removed_does_not_show_that_our_patch_was_carried_out() -> None:
    now = seen([{"name": "c", "n": 1}], managed=BY_OTHER)
    also: tuple[Fields, Fields] = ({S: "x"}, {S: ABSENT})

    step = read(MERGE, [{"name": "c", "n": 1}], [{"name": "c"}], now, also=also, lost=True)

    assert isinstance(step, Send)
