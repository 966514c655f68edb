"""The bodies of PATCH requests: the change, and the guard against a changed object.

Covered: the guards of each patch type, with the version and without, the merge patch by which an
undo puts values, absences and whole maps back; which fields a body is held to speak of.
Left out: labels and annotations (test_planner.py), what servers answer (tests/e2e).
"""

from typing import Any

import msgspec
import pytest

from fleetpatch.model.change import (
    BodyPatch,
    Change,
    MetadataChange,
    PatchOptions,
    PatchType,
    Restoration,
)
from fleetpatch.model.fields import ABSENT, Fields
from fleetpatch.rules.patching.diff import outermost, touched_paths
from fleetpatch.rules.patching.merge_patch import merge_patched
from fleetpatch.rules.patching.patch_body import request
from tests.fakes import JOB_RULES, seen_job, target_of
from tests.values import replace

TARGET = target_of(MetadataChange(), seen_job())


def body_of(change: Change, version: str | None, goal: Fields | None = None) -> Any:
    return msgspec.json.decode(request(change, TARGET, goal or {}, version).body)


@pytest.mark.parametrize("kind", [PatchType.MERGE, PatchType.STRATEGIC])
def test_a_document_carries_the_version_or_the_uid(kind: PatchType) -> None:
    change = BodyPatch(kind, {"metadata": {"labels": {"a": "1"}}, "spec": {"b": 2}})

    assert body_of(change, "17") == {
        "metadata": {"labels": {"a": "1"}, "resourceVersion": "17"},
        "spec": {"b": 2},
    }
    assert body_of(change, None)["metadata"] == {"labels": {"a": "1"}, "uid": "uid-1"}
    assert request(change, TARGET, {}, "17").type is kind


def test_the_tests_of_a_json_patch_come_first() -> None:
    operation = {"op": "add", "path": "/spec/args/-", "value": "-v"}
    change = BodyPatch(PatchType.JSON, [operation])
    uid = {"op": "test", "path": "/metadata/uid", "value": "uid-1"}
    version = {"op": "test", "path": "/metadata/resourceVersion", "value": "17"}

    assert body_of(change, "17") == [uid, version, operation]
    assert body_of(change, None) == [uid, operation]


def test_an_apply_names_its_kind_and_never_recreates_an_object() -> None:
    change = BodyPatch(PatchType.APPLY, {"metadata": {"labels": {"a": "1"}}})

    identity = {"name": "etl-1", "namespace": "team-a", "uid": "uid-1"}
    assert body_of(change, "17") == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"labels": {"a": "1"}, **identity, "resourceVersion": "17"},
    }
    assert body_of(change, None)["metadata"] == {"labels": {"a": "1"}, **identity}


def test_a_request_carries_the_options_of_its_run() -> None:
    options = PatchOptions(field_manager="ops", force=True)

    sent = request(BodyPatch(PatchType.APPLY, {"spec": {"b": 2}}), TARGET, {}, "17", options)

    assert sent.options is options
    assert request(MetadataChange(labels={"a": "1"}), TARGET, {}, "17").options == PatchOptions()


def test_a_restoration_removes_fields_and_map_entries_that_were_absent() -> None:
    ours: Fields = {("spec", "x"): {"a": 1, "b": {"c": 2}}, ("spec", "y"): 5}
    goal: Fields = {("spec", "x"): {"b": {"d": 3}}, ("spec", "y"): ABSENT}

    sent = request(Restoration(whole=True), replace(TARGET, before=ours), goal, "17")

    body = msgspec.json.decode(sent.body)
    assert sent.type is PatchType.MERGE
    assert body["spec"] == {"x": {"a": None, "b": {"c": None, "d": 3}}, "y": None}
    now = {"spec": {"x": {"a": 1, "b": {"c": 2}}, "y": 5}}
    assert merge_patched(now, body)["spec"] == {"x": {"b": {"d": 3}}}


def test_a_document_touches_its_leaves() -> None:
    body = {"metadata": {"labels": {"a": "1", "b": None}}, "spec": {"args": ["x"]}}

    assert set(touched_paths(BodyPatch(PatchType.MERGE, body), {}, JOB_RULES)) == {
        ("metadata", "labels", "a"),
        ("metadata", "labels", "b"),
        ("spec", "args"),
    }


def test_a_directive_touches_the_map_that_contains_it() -> None:
    body = {"spec": {"limits": {"$patch": "replace", "cpu": 1}}}

    assert set(touched_paths(BodyPatch(PatchType.STRATEGIC, body), {}, JOB_RULES)) == {
        ("spec", "limits")
    }


def test_operations_touch_the_paths_of_their_pointers_up_to_a_list() -> None:
    document = {"spec": {"args": ["x"], "limits": {"cpu": 1}}}
    operations = [
        {"op": "test", "path": "/spec/tested", "value": 1},
        {"op": "add", "path": "/spec/args/0", "value": "y"},
        {"op": "move", "from": "/spec/limits/cpu", "path": "/metadata/labels/a~1b"},
    ]

    assert set(touched_paths(BodyPatch(PatchType.JSON, operations), document, JOB_RULES)) == {
        ("spec", "args"),
        ("spec", "limits", "cpu"),
        ("metadata", "labels", "a/b"),
    }


def test_of_nested_fields_only_the_outermost_is_kept() -> None:
    paths = [("a", "b"), ("a",), ("ab",), ("c", "d"), ("a", "b", "c"), ("c", "d")]

    assert outermost(paths) == [("a",), ("ab",), ("c", "d")]


TEXT = "a && b > \u2028 <\u00e9>"
SPELLED = r'"a \u0026\u0026 b \u003e \u2028 \u003c\u00e9\u003e"'.replace(r"\u00e9", "\u00e9")


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        (TEXT, SPELLED),
        (1.0, "1"),
        (1e2, "100"),
        (2**63, "9223372036854776000"),
        ({"a": [TEXT, -0.0]}, f'{{"a":[{SPELLED},0]}}'),
    ],
)
@pytest.mark.parametrize("operation", ["test", "add", "replace"])
def test_a_json_patch_is_sent_in_the_spelling_of_a_server(
    operation: str, value: Any, spelled: str
) -> None:
    sent = {"op": operation, "path": "/spec/a", "value": value}

    body = request(BodyPatch(PatchType.JSON, [sent]), TARGET, {}, "17").body.decode()

    assert body.endswith(f'{{"op":"{operation}","path":"/spec/a","value":{spelled}}}]')


def test_the_guarding_tests_are_sent_in_the_spelling_of_a_server() -> None:
    target = replace(TARGET, uid="<uid>")

    body = request(BodyPatch(PatchType.JSON, []), target, {}, "1&2").body.decode()

    assert r'"path":"/metadata/uid","value":"\u003cuid\u003e"' in body
    assert r'"path":"/metadata/resourceVersion","value":"1\u00262"' in body


@pytest.mark.parametrize("kind", [PatchType.MERGE, PatchType.STRATEGIC, PatchType.APPLY])
def test_numbers_are_sent_as_kubectl_sends_them(kind: PatchType) -> None:
    change = BodyPatch(kind, {"spec": {"parallelism": 3.0, "b": [1e2]}})

    assert b'"parallelism":3,"b":[100]' in request(change, TARGET, {}, "17").body
