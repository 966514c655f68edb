"""The rules of RFC 6902 and RFC 7386 (`patch_rules`), as a plan predicts their results.

Covered: merge patches, with null entries on old and new servers; JSON Patches as we send them, in
a server's spelling; that the prediction of any patch agrees with the sandbox.
Left out: the same cases on the sandbox (tests/sandbox/test_patch_rules.py) and on a real server
(tests/differential/test_same_values.py).
"""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetpatch.model.change import BodyPatch, PatchType
from fleetpatch.model.encoding import encode
from fleetpatch.model.equality import deep_equal
from fleetpatch.rules.patching.json_patch import MAX_COPIED_BYTES, InapplicableError, json_patched
from fleetpatch.rules.patching.merge_patch import merge_patched
from fleetpatch.rules.patching.merge_rules import merge_rules
from fleetpatch.rules.planning.planner import NeedsPatch, need
from fleetpatch.sandbox.apiserver.patches import JSON_PATCH, MERGE, patched
from fleetpatch.sandbox.apiserver.release import RELEASES, KubernetesVersion
from fleetpatch.sandbox.apiserver.statuses import Refusal
from tests.fakes import JOB_RULES, JOBS, document, seen_whole
from tests.rules.patching.patch_rules import (
    JSON_PATCHES,
    MALFORMED_PATCHES,
    MERGE_PATCHES,
    OLD_MERGE_PATCHES,
    REFUSED,
    Case,
    spec_of,
)


def predicted(document: Any, operations: Any) -> Any:
    try:
        return json_patched(document, operations)
    except InapplicableError:
        return REFUSED


def made(document: Any, content_type: str, body: Any) -> Any:
    """The result of a patch on the sandbox of that version."""
    try:
        return patched(
            document, content_type, encode(body), JOB_RULES, RELEASES[KubernetesVersion.V1_20]
        )
    except Refusal:
        return REFUSED


@pytest.mark.parametrize("case", MERGE_PATCHES, ids=lambda case: case.rule)
@pytest.mark.parametrize("keeps", [True, False])
def test_merge_patches_are_predicted(case: Case, keeps: bool) -> None:
    before = {"spec": spec_of(case.before)}

    after = merge_patched(before, json.loads(case.patch), keeps_null_entries=keeps)

    assert deep_equal(after, {"spec": spec_of(case.result)})


@pytest.mark.parametrize("case", OLD_MERGE_PATCHES, ids=lambda case: case.rule)
def test_null_entries_depend_on_the_version_of_the_server(case: Case) -> None:
    before, patch = {"spec": spec_of(case.before)}, json.loads(case.patch)

    old = merge_patched(before, patch, keeps_null_entries=False)

    assert deep_equal(old, {"spec": spec_of(case.result)})
    assert merge_patched({}, {"a": [None, {"b": None}]}) == {"a": [None, {}]}


@pytest.mark.parametrize(
    ("version", "args"),
    [("1.20", [1]), ("1.21", [1]), ("1.22", [None, 1]), ("1.36", [None, 1]), ("", [None, 1])],
)
def test_a_plan_predicts_null_entries_by_the_version_of_the_server(version: str, args: Any) -> None:
    change = BodyPatch(PatchType.MERGE, {"spec": {"args": [None, 1]}})
    seen = seen_whole(document("etl-1", "uid-1", spec={"args": [2]}))

    needed = need(change, seen, merge_rules(JOBS, version))

    assert isinstance(needed, NeedsPatch)
    assert needed.wanted == {("spec", "args"): args}


@pytest.mark.parametrize(
    "case", [*JSON_PATCHES, *MALFORMED_PATCHES[:3]], ids=lambda case: case.rule
)
def test_json_patches_are_predicted_as_they_are_sent(case: Case) -> None:
    before, operations = {"spec": spec_of(case.before)}, json.loads(case.patch)

    after = predicted(before, operations)

    assert deep_equal(after, made(before, JSON_PATCH, operations))
    if encode(operations) == case.patch.encode():
        wanted = REFUSED if case.result is REFUSED else {"spec": spec_of(case.result)}
        assert deep_equal(after, wanted)


def test_a_test_without_a_value_succeeds_for_a_missing_or_null_entry() -> None:
    operation = {"op": "test", "path": "/a"}

    assert json_patched({}, [operation]) == {}
    assert json_patched({"a": None}, [operation]) == {"a": None}
    others: list[Any] = [0, False, "", [], {}]
    for value in others:
        assert predicted({"a": value}, [operation]) is REFUSED


@pytest.mark.parametrize("value", [[None], [1, None], {"a": [[None]]}, [{"b": [None]}]])
def test_a_list_with_null_in_it_cannot_be_tested(value: Any) -> None:
    operation = {"op": "test", "path": "/a", "value": value}

    with pytest.raises(InapplicableError, match="contains null cannot be tested"):
        json_patched({"a": value}, [operation])


def test_all_copies_together_have_a_limit() -> None:
    document = {"a": "x" * (MAX_COPIED_BYTES // 3 - 2)}
    copies = [{"op": "copy", "from": "/a", "path": f"/{number}"} for number in range(4)]

    assert set(json_patched(document, copies[:3])) == {"a", "0", "1", "2"}
    with pytest.raises(InapplicableError, match="copies together exceed"):
        json_patched(document, copies)


def test_the_size_of_a_copy_is_that_of_its_text_with_escapes() -> None:
    document = {"a": "<" * (MAX_COPIED_BYTES // 6)}
    copy = {"op": "copy", "from": "/a", "path": "/b"}

    assert predicted(document, [copy]) is REFUSED


KEYS = st.sampled_from(["a", "b", "0", "a/b", "~"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-1, 2)
    | st.sampled_from([0.0, -0.0, 1.0, 1.5, 1e21, 2**63, "", "a && b", "<", "\u2028", "é"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
POINTERS = st.lists(
    st.sampled_from(["a", "b", "0", "1", "-", "-1", "a~1b", "~0", "+1"]), max_size=3
)
OPERATIONS = st.fixed_dictionaries(
    {
        "op": st.sampled_from(["add", "add", "test", "test", "replace", "remove", "move", "copy"]),
        "path": POINTERS.map(lambda steps: "/".join(["", "spec", *steps])),
        "from": POINTERS.map(lambda steps: "/".join(["", "spec", *steps])),
        "value": VALUES,
    }
)


@settings(max_examples=300)
@given(document=VALUES, operations=st.lists(OPERATIONS, max_size=4))
def test_any_json_patch_is_predicted_as_it_is_sent(document: Any, operations: Any) -> None:
    before = json.loads(encode({"spec": document}))

    assert deep_equal(predicted(before, operations), made(before, JSON_PATCH, operations))


@settings(max_examples=300)
@given(document=VALUES, patch=VALUES)
def test_any_merge_patch_is_predicted_as_it_is_sent(document: Any, patch: Any) -> None:
    before = json.loads(encode({"spec": document}))
    predicted = merge_patched(before, {"spec": patch}, keeps_null_entries=False)

    assert deep_equal(predicted, made(before, MERGE, {"spec": patch}))
