"""Values that are equal in Python and not to a server, and the other way round.

Covered: `1` and `true`, `0` and `false`, `1.0` and `1`, at the top of a field, in lists and in
maps, wherever the tool compares values: planning, reads, answers, undo, a `test` of a JSON Patch,
entries of lists, previews. Left out: the comparison itself (tests/model/test_equality.py), and the
sandbox (tests/sandbox/test_values.py).
"""

from typing import Any

import pytest

from fleetpatch.model.change import BodyPatch, PatchType
from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import ABSENT, Fields, Json
from fleetpatch.model.outcome import Reason, Settlement
from fleetpatch.model.target import Seen, Target, TargetId
from fleetpatch.report.changes import change_lines
from fleetpatch.rules.answers.acceptance import after_patch
from fleetpatch.rules.answers.settlement import after_read
from fleetpatch.rules.answers.steps import End, OnDrift, Send
from fleetpatch.rules.patching.diff import difference
from fleetpatch.rules.patching.json_patch import InapplicableError, json_patched
from fleetpatch.rules.patching.server_side_apply import applied
from fleetpatch.rules.patching.strategic_patch import strategic_patched
from fleetpatch.rules.planning.planner import NeedsPatch, Unchanged, need
from fleetpatch.rules.planning.undo import values_to_restore
from tests.fakes import JOB_RULES, JOBS, document, seen_whole

PATH = ("spec", "value")
DIFFERENT: list[tuple[Any, Any]] = [
    (1, True),
    (True, 1),
    (0, False),
    (1.0, True),
    ([1], [True]),
    ([[0]], [[False]]),
    ({"a": [{"b": 1}]}, {"a": [{"b": True}]}),
]
ALIKE: list[tuple[Any, Any]] = [(1, 1.0), ([0], [-0.0]), ({"a": [100]}, {"a": [1e2]})]


def merge(value: Json) -> BodyPatch:
    return BodyPatch(PatchType.MERGE, {"spec": {"value": value}})


def live(value: Json, version: str = "10") -> Seen:
    return seen_whole(document("etl-1", "uid-1", version, spec={"value": value}))


def target(before: Fields, wanted: Fields) -> Target:
    return Target(
        TargetId(1), "prod-a", JOBS, "team-a", "etl-1", "uid-1", "10", before, wanted=wanted
    )


def read(before: Json, wanted: Json, seen: Seen) -> Send | End:
    planned = target({PATH: before}, {PATH: wanted})
    return after_read(planned, merge(wanted), seen, matches=True, sent=False, on_drift=OnDrift.SKIP)


@pytest.mark.parametrize(("current", "wanted"), DIFFERENT)
def test_a_number_in_place_of_a_boolean_needs_a_patch(current: Json, wanted: Json) -> None:
    assert isinstance(need(merge(wanted), live(current)), NeedsPatch)


@pytest.mark.parametrize(("current", "wanted"), DIFFERENT)
def test_a_read_distinguishes_a_number_from_a_boolean(current: Json, wanted: Json) -> None:
    assert read(current, wanted, live(current, "11")) == Send({PATH: wanted}, "11")


@pytest.mark.parametrize(("current", "wanted"), DIFFERENT)
def test_a_change_from_a_number_to_a_boolean_is_drift(current: Json, wanted: Json) -> None:
    ended = read(current, "other", live(wanted, "11"))

    assert isinstance(ended, End)
    assert ended.reason is Reason.DRIFTED


@pytest.mark.parametrize(("current", "wanted"), DIFFERENT)
def test_an_answer_with_a_boolean_for_a_number_is_not_effective(
    current: Json, wanted: Json
) -> None:
    ended = after_patch(merge(wanted), {PATH: wanted}, "10", live(current, "11"))

    assert ended.reason is Reason.NOT_EFFECTIVE


def test_the_stored_value_is_recorded_if_it_differs_only_in_type() -> None:
    wanted = {"a": 1}
    written = {"a": 1, "b": True}
    ended = after_patch(merge(wanted), {PATH: wanted}, "10", live(written, "11"))

    assert ended.wrote == {PATH: written}


@pytest.mark.parametrize(("before", "after"), DIFFERENT)
def test_undo_restores_a_number_in_place_of_a_boolean(before: Json, after: Json) -> None:
    settlement = Settlement(TargetId(1), Reason.PATCHED, resource_version="11")
    planned = target({PATH: before}, {PATH: after})

    assert values_to_restore(merge(after), planned, settlement) == ({PATH: after}, {PATH: before})


@pytest.mark.parametrize(("before", "after"), DIFFERENT)
def test_a_number_and_a_boolean_are_a_difference(before: Json, after: Json) -> None:
    old, new = difference({"a": before}, {"a": after})

    assert len(old) == len(new) == 1


@pytest.mark.parametrize(("current", "wanted"), DIFFERENT)
def test_a_test_of_a_json_patch_distinguishes_them(current: Json, wanted: Json) -> None:
    with pytest.raises(InapplicableError):
        json_patched({"a": current}, [{"op": "test", "path": "/a", "value": wanted}])


@pytest.mark.parametrize(("current", "wanted"), ALIKE)
def test_numbers_that_a_server_writes_the_same_way_are_equal(current: Json, wanted: Json) -> None:
    settlement = Settlement(TargetId(1), Reason.PATCHED, resource_version="11")

    assert isinstance(need(merge(wanted), live(current)), Unchanged)
    assert read("other", wanted, live(current)) == End(Reason.ALREADY_SET, resource_version="10")
    assert difference({"a": current}, {"a": wanted}) == ({}, {})
    assert values_to_restore(
        merge(wanted), target({PATH: current}, {PATH: wanted}), settlement
    ) == ({}, {})
    json_patched({"a": current}, [{"op": "test", "path": "/a", "value": wanted}])


def test_an_absent_field_is_not_null() -> None:
    assert difference({}, {"a": None}) == ({("a",): ABSENT}, {("a",): None})


def test_entries_of_sets_with_different_types_are_different() -> None:
    finalizers = {"metadata": {"finalizers": [1, "a"]}}

    after = applied(finalizers, {"metadata": {"finalizers": [True]}}, "us", JOB_RULES)
    assert [type(entry) for entry in after["metadata"]["finalizers"]] == [int, str, bool]


def test_a_strategic_merge_takes_entries_of_one_type_only() -> None:
    finalizers = {"metadata": {"finalizers": [1, 2]}}
    deletions = {"metadata": {"$deleteFromPrimitiveList/finalizers": [True]}}

    with pytest.raises(InapplicableError):
        strategic_patched(finalizers, deletions, JOB_RULES)


@pytest.mark.parametrize(("port", "same"), [(80.0, True), (80, True), (81, False), ("80", False)])
def test_entries_of_keyed_lists_with_keys_of_different_types_are_different(
    port: Json, same: bool
) -> None:
    def with_ports(*ports: Json) -> Json:
        container = {"name": "main", "ports": [{"containerPort": each} for each in ports]}
        return {"spec": {"template": {"spec": {"containers": [container]}}}}

    after = applied(with_ports(80), with_ports(port), "us", JOB_RULES)

    assert deep_equal(after, with_ports(80) if same else with_ports(80, port))


@pytest.mark.parametrize(("before", "after"), DIFFERENT)
def test_a_preview_shows_the_change(before: Json, after: Json) -> None:
    assert len(list(change_lines({PATH: before}, {PATH: after}))) == 1


@pytest.mark.parametrize(("before", "after"), ALIKE)
def test_a_preview_shows_no_change_for_equal_values(before: Json, after: Json) -> None:
    assert list(change_lines({PATH: before}, {PATH: after})) == []
