"""Whose values an object holds, after a PATCH of ours whose answer does not show that.

Covered: what a map or the entry of a list has more than was wanted, by its owner; what an undo then
does; defaults; removals; objects without managedFields; a field that has drifted beside it; a 200
to a PATCH without the version as a guard. Left out: how managedFields are read
(test_field_owners.py).
"""

from typing import Any

import pytest

from fleetpatch.model.change import BodyPatch, PatchType, Restoration
from fleetpatch.model.fields import ABSENT, Fields, Path
from fleetpatch.model.outcome import Reason, Settlement
from fleetpatch.model.ports import Draft
from fleetpatch.model.target import Seen, Target, TargetId
from fleetpatch.rules.answers.acceptance import after_patch
from fleetpatch.rules.answers.settlement import after_read
from fleetpatch.rules.answers.steps import End, OnDrift, Step
from fleetpatch.rules.planning.undo import compared, draft_of
from tests.fakes import document, seen_whole, target_with
from tests.rules.patching.owners import owner
from tests.values import replace

F: Path = ("spec", "f")
S: Path = ("spec", "s")
MERGE = BodyPatch(PatchType.MERGE, {})
OTHERS = "which may be another writer's and is not undone"


def seen(value: Any, version: str = "11", managed: Any = (), **more: Any) -> Seen:
    fields = {} if value is ABSENT else {"f": value}
    made = document("etl-1", "uid-1", version, spec={**fields, **more})
    return replace(seen_whole(made), managed_fields=list(managed))


def owned(ours: Any, theirs: Any) -> list[Any]:
    """The managedFields of an object of which we own a part of the field, and kubectl another."""
    parts = {"fleetpatch": ours, "kubectl": theirs}
    return [owner(name, {"f:spec": {"f:f": part}}, "Update") for name, part in parts.items()]


def target_of(before: Any, wanted: Any, also: tuple[Fields, Fields] = ({}, {})) -> Target:
    return target_with(seen(before, "10"), {F: before, **also[0]}, {F: wanted, **also[1]})


def read(target: Target, now: Seen, *, lost: bool = True) -> Step:
    return after_read(target, MERGE, now, matches=True, sent=True, lost=lost, on_drift=OnDrift.SKIP)


def undo_of(target: Target, end: Step, now: Seen) -> Draft:
    assert isinstance(end, End)
    settlement = Settlement(TargetId(1), end.reason, wrote=end.wrote)
    draft = draft_of(MERGE, target, settlement)
    assert draft is not None
    return compared(draft, now, Restoration(whole=True))


ENTRY = {"name": "c", "image": "new"}
K = 'k:{"name":"c"}'
IMAGE: Any = {K: {"f:image": {}}}


@pytest.mark.parametrize("lost", [True, False])
@pytest.mark.parametrize(
    ("before", "wanted", "now", "ours", "theirs"),
    [
        (ABSENT, {"b": "2"}, {"b": "2", "d": "9"}, {".": {}, "f:b": {}}, {"f:d": {}}),
        ({"m": 1}, {"m": {"b": 2}}, {"m": {"b": 2, "d": 9}}, {"f:m": {"f:b": {}}}, {"f:m": {}}),
        (
            [{"name": "c", "image": "old"}],
            [ENTRY],
            [{**ENTRY, "d": ["A"]}],
            IMAGE,
            {K: {".": {}, "f:name": {}, "f:d": {}}},
        ),
        # A known default that another writer has written.
        (
            [{"name": "c", "image": "old", "protocol": "UDP"}],
            [ENTRY],
            [{**ENTRY, "protocol": "TCP"}],
            IMAGE,
            {K: {"f:protocol": {}}},
        ),
    ],
)
def test_what_another_writer_added_is_not_recorded_and_an_undo_keeps_it(
    before: Any, wanted: Any, now: Any, ours: Any, theirs: Any, lost: bool
) -> None:
    target, there = target_of(before, wanted), seen(now, managed=owned(ours, theirs))

    ended = read(target, there, lost=lost)

    assert isinstance(ended, End)
    assert (ended.reason, ended.wrote) == (Reason.SETTLED_BY_READING, None)
    assert ended.detail.endswith(f", {OTHERS}")
    assert undo_of(target, ended, there).ends is Reason.DRIFTED


def test_the_detail_names_the_field_and_what_was_added() -> None:
    added = {f"d{number}": 1 for number in range(7)}
    there = seen({"b": 2, **added}, managed=owned({"f:b": {}}, {f"f:{key}": {} for key in added}))

    ended = read(target_of(ABSENT, {"b": 2}), there)

    assert isinstance(ended, End)
    assert ended.detail == f"spec.f also has d0, d1, d2, d3, d4, ..., {OTHERS}"


@pytest.mark.parametrize(
    ("wanted", "now", "managed"),
    [
        ({"b": 2}, {"b": 2, "n": 1}, owned({".": {}, "f:b": {}, "f:n": {}}, {"f:x": {}})),
        ([ENTRY], [{**ENTRY, "n": 1}], owned({K: {"f:image": {}, "f:n": {}}}, {K: {"f:name": {}}})),
        ([ENTRY], [{**ENTRY, "n": 1}], owned({}, {"f:x": {}})[:1]),
        # Known defaults, with owners and without.
        ([ENTRY], [{**ENTRY, "imagePullPolicy": "Always"}], owned(IMAGE, {K: {"f:name": {}}})),
        ([ENTRY], [{**ENTRY, "imagePullPolicy": "Always"}], []),
    ],
)
def test_defaults_that_came_with_our_patch_are_recorded_and_undone(
    wanted: Any, now: Any, managed: Any
) -> None:
    target, there = target_of([], wanted), seen(now, managed=managed)

    ended = read(target, there)

    assert isinstance(ended, End)
    assert (ended.reason, ended.detail, ended.wrote) == (Reason.SETTLED_BY_READING, "", {F: now})
    assert undo_of(target, ended, there).ends is None


def test_a_default_in_place_of_a_removed_value_is_the_servers_whoever_owns_what_is_left() -> None:
    before: Any = [{"name": "c", "image": "old", "resources": {"limits": {"cpu": "1"}}}]
    now = [{**ENTRY, "resources": {}}]
    managed = owned(IMAGE, {K: {"f:name": {}, "f:resources": {}}})
    target, there = target_of(before, [ENTRY]), seen(now, managed=managed)

    ended = read(target, there)

    assert isinstance(ended, End)
    assert (ended.detail, ended.wrote) == ("", {F: now})
    assert undo_of(target, ended, there).ends is None


@pytest.mark.parametrize("theirs", [{}, {"v:1": {}}])
def test_a_removal_beside_a_field_of_ours_is_ours_unless_another_manager_owns_the_whole(
    theirs: Any,
) -> None:
    """Who owns a list as one value has written it; who owns its entries did not have to."""
    managed = [
        owner("fleetpatch", {"f:spec": {"f:s": {}}}, "Update"),
        owner("kubectl", {"f:spec": {"f:f": theirs}}, "Update"),
    ]
    target = target_of([1, 2], [1], ({S: 1}, {S: 3}))

    ended = read(target, seen([1], managed=managed, s=3))

    assert isinstance(ended, End)
    assert ended.reason is Reason.SETTLED_BY_READING
    assert ended.replaces == (None if theirs else {F: [1], S: 1})
    assert bool(ended.detail) is not bool(theirs)


@pytest.mark.parametrize("added", [{}, {"args": ["theirs"]}])
def test_a_removal_alone_has_no_writer_and_is_not_undone(added: Any) -> None:
    """The owner of the rest may have been its owner before."""
    before: Any = [{"name": "c", "image": "i", "env": ["A"]}]
    wanted = [{"name": "c", "image": "i"}]
    now = [{**wanted[0], **added}]
    managed = owned({}, {K: {"f:name": {}, "f:image": {}}})[1:]

    ended = read(target_of(before, wanted), seen(now, managed=managed))

    assert isinstance(ended, End)
    assert (ended.reason, ended.wrote) == (Reason.ALREADY_SET, None)
    assert ended.detail == (
        "kubectl owns what is left; who removed the rest is not known, so it does not count as ours"
    )


@pytest.mark.parametrize(
    ("wanted", "now", "recorded"),
    [
        ({"b": 2}, {"b": 2, "d": 9}, {"b": 2}),
        ([ENTRY], [{**ENTRY, "d": 9}], [ENTRY]),
        ([ENTRY], [{**ENTRY, "imagePullPolicy": "Always"}], None),
        ([ENTRY], [{**ENTRY, "n": 1}], None),
        ({"b": 2, "l": [ENTRY]}, {"b": 2, "l": [ENTRY], "d": 9}, {"b": 2, "l": [ENTRY]}),
    ],
)
@pytest.mark.parametrize("other", [3, 4])
def test_a_200_without_the_version_as_a_guard_may_show_what_another_writer_added(
    wanted: Any, now: Any, recorded: Any, other: int
) -> None:
    before = {F: [{"name": "c", "n": 1}], S: 1}
    values = {F: wanted, S: 3}

    ended = after_patch(MERGE, values, "10", seen(now, s=other), before=before, guarded=False)
    guarded = after_patch(MERGE, values, "10", seen(now, s=3), before=before)

    kept = now if recorded is None else recorded
    if other == 3:
        assert (ended.reason, bool(ended.detail)) == (Reason.PATCHED, recorded is not None)
        assert {**values, **(ended.wrote or {})}[F] == kept
    else:
        assert (ended.reason, ended.wrote) == (Reason.NOT_EFFECTIVE, {F: kept})
    assert guarded.wrote == {F: now, S: 3}


def test_an_entry_of_a_list_that_another_writer_added_is_named() -> None:
    strategic = BodyPatch(PatchType.STRATEGIC, {})
    now = [{"name": "c", "image": "new"}, {"name": "theirs"}]

    ended = after_patch(strategic, {F: [ENTRY]}, "10", seen(now), before={F: []}, guarded=False)

    assert (ended.reason, ended.wrote) == (Reason.PATCHED, None)
    assert ended.detail == f"spec.f also has theirs, {OTHERS}"


def test_what_was_there_before_counts_as_ours_whoever_owns_it() -> None:
    before, now = [{"name": "c", "image": "old", "n": 1}], [{**ENTRY, "n": 1}]
    target = target_of(before, [ENTRY])
    there = seen(now, managed=owned(IMAGE, {K: {"f:name": {}, "f:n": {}}}))

    ended = read(target, there)

    assert isinstance(ended, End)
    assert (ended.detail, ended.wrote) == ("", {F: now})
    assert undo_of(target, ended, there).ends is None


@pytest.mark.parametrize("managed", [[], owned({"f:b": {}}, {"f:x": {}})])
def test_without_an_owner_an_unknown_field_is_not_recorded(managed: Any) -> None:
    target, there = target_of(ABSENT, {"b": 2}), seen({"b": 2, "d": 9}, managed=managed)

    ended = read(target, there)

    assert isinstance(ended, End)
    assert (ended.reason, ended.wrote) == (Reason.SETTLED_BY_READING, None)
    assert undo_of(target, ended, there).ends is Reason.DRIFTED


def test_a_field_with_an_addition_is_not_ours_beside_a_field_that_has_drifted() -> None:
    fields = [
        owner("fleetpatch", {"f:spec": {"f:f": {".": {}, "f:b": {}}, "f:t": {}}}, "Update"),
        owner("kubectl", {"f:spec": {"f:f": {"f:d": {}}, "f:s": {}}}, "Update"),
    ]
    t: Path = ("spec", "t")
    target = target_of(ABSENT, {"b": 2}, ({S: 1, t: 1}, {S: 3, t: 3}))
    there = seen({"b": 2, "d": 9}, managed=fields, s=9, t=3)

    ended = read(target, there)

    assert isinstance(ended, End)
    assert (ended.reason, ended.wrote) == (Reason.DRIFTED, {t: 3})
