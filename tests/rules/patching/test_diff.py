"""Which fields a patch touches: the difference of two documents, in both directions.

Covered: maps, lists, absence, new branches, directives, and that the difference leads exactly from
one document to the other. Left out: how servers apply a patch (tests/differential, tests/e2e).
"""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.model.change import BodyPatch, MetadataChange, PatchType, Restoration
from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import ABSENT, Fields, Json, Path, look_up
from fleetpatch.rules.patching.diff import difference, touched_paths
from fleetpatch.rules.patching.merge_patch import merge_patched
from fleetpatch.rules.patching.merge_rules import UNTYPED
from fleetpatch.rules.patching.patch_body import request
from tests.fakes import seen_job, target_of

SCALARS = st.booleans() | st.integers() | st.sampled_from([0, 1, 1.0]) | st.text(max_size=3)
VALUES = st.recursive(
    SCALARS | st.lists(SCALARS, max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)


def restored(document: Json, values: Fields) -> Any:
    """Apply the merge patch by which undo makes `values` hold."""
    target = target_of(MetadataChange(), seen_job())
    body = msgspec.json.decode(request(Restoration(whole=True), target, values, "10").body)
    del body["metadata"]
    return merge_patched(document, body)


def test_a_list_is_one_value_and_a_map_is_many() -> None:
    before = {"spec": {"args": ["a"], "limits": {"cpu": 1, "memory": 2}}}
    after = {"spec": {"args": ["a", "b"], "limits": {"cpu": 1, "memory": 3}}}

    assert difference(before, after) == (
        {("spec", "args"): ["a"], ("spec", "limits", "memory"): 2},
        {("spec", "args"): ["a", "b"], ("spec", "limits", "memory"): 3},
    )


def test_the_root_of_a_new_branch_was_absent() -> None:
    assert difference({}, {"spec": {"deep": {"er": 1}}}) == (
        {("spec",): ABSENT},
        {("spec",): {"deep": {"er": 1}}},
    )


def test_a_number_that_becomes_a_boolean_differs() -> None:
    assert difference({"a": 1}, {"a": True})[1] == {("a",): True}


@pytest.mark.parametrize(
    ("type_", "fields"),
    [
        (PatchType.STRATEGIC, [("spec",)]),
        (PatchType.MERGE, [("spec", "$schema"), ("spec", "a")]),
        (PatchType.APPLY, [("spec", "$schema"), ("spec", "a")]),
    ],
)
def test_a_key_with_a_dollar_is_a_directive_in_strategic_patches_alone(
    type_: PatchType, fields: list[Path]
) -> None:
    change = BodyPatch(type_, {"spec": {"$schema": "x", "a": 1}})

    assert sorted(touched_paths(change, {"spec": {"other": 1}}, UNTYPED)) == fields


@given(DOCUMENTS, DOCUMENTS)
def test_the_difference_has_both_values_of_each_field(before: Json, after: Json) -> None:
    old, new = difference(before, after)

    assert old.keys() == new.keys()
    assert all(deep_equal(look_up(before, path), value) for path, value in old.items())
    assert all(deep_equal(look_up(after, path), value) for path, value in new.items())
    assert bool(old) is not deep_equal(before, after)


@given(DOCUMENTS, DOCUMENTS)
def test_restoring_the_values_before_undoes_the_difference(before: Json, after: Json) -> None:
    assert deep_equal(restored(after, difference(before, after)[0]), before)
