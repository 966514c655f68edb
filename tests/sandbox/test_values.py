"""Values on the sandbox: that it stores, compares and answers them as a real server does.

Covered: booleans beside numbers in each type of write, spellings of numbers and text, limits of
bodies, operations and copies, repeated entries. Left out: agreement with a real server
(tests/differential/test_same_values.py).
"""

import json
from typing import Any

import pytest

from tests.sandbox.objects import JSON_PATCH, MERGE, create
from tests.sandbox.serving import SandboxThread
from tests.sandbox.test_applying import apply

PAIRS: list[tuple[Any, Any]] = [(1, True), (False, 0), ([1], [True]), ({"a": 0}, {"a": False})]


@pytest.fixture
def path(running: SandboxThread) -> str:
    return create(running, "one", kind="tfjobs.kubeflow.org")


def set_value(running: SandboxThread, path: str, value: Any) -> Any:
    answer = running.client.request("PATCH", path, {"spec": {"x": value}}, MERGE)
    assert answer.status == 200
    return answer.body


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_a_number_becomes_a_boolean(
    running: SandboxThread, path: str, before: Any, after: Any
) -> None:
    first = set_value(running, path, before)
    second = set_value(running, path, after)

    assert repr(second["spec"]["x"]) == repr(after)
    assert second["metadata"]["resourceVersion"] != first["metadata"]["resourceVersion"]
    assert second["metadata"]["generation"] == first["metadata"]["generation"] + 1


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_an_apply_of_a_boolean_is_a_conflict_if_another_manager_owns_the_number(
    running: SandboxThread, path: str, before: Any, after: Any
) -> None:
    assert apply(running, path, "first", spec={"x": before}).status == 200

    assert apply(running, path, "second", spec={"x": after}).status == 409
    assert apply(running, path, "second", spec={"x": before}).status == 200


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_a_test_of_a_number_fails_on_a_boolean(
    running: SandboxThread, path: str, before: Any, after: Any
) -> None:
    set_value(running, path, before)
    operations = [{"op": "test", "path": "/spec/x", "value": after}]

    assert running.client.request("PATCH", path, operations, JSON_PATCH).status == 422


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("1.0", "1"),
        ("1e2", "100"),
        ("-0.0", "0"),
        ("9223372036854775807", "9223372036854775807"),
        ("9223372036854775808", "9223372036854776000"),
        ("-123456789012345678901", "-123456789012345680000"),
        (r'"a\ud800b"', '"a\ufffdb"'),
        (r'"\ud83d\ude80"', '"🚀"'),
    ],
)
@pytest.mark.parametrize("content_type", [MERGE, JSON_PATCH])
def test_a_value_is_kept_and_answered_as_a_server_writes_it(
    running: SandboxThread, path: str, content_type: str, sent: str, kept: str
) -> None:
    body = f'{{"spec":{{"x":{sent}}}}}'
    if content_type == JSON_PATCH:
        body = f'[{{"op":"add","path":"/spec/x","value":{sent}}}]'

    answer = running.client.request("PATCH", path, body.encode(), content_type)

    assert answer.status == 200
    assert repr(answer.body["spec"]["x"]) == repr(json.loads(kept))
    assert running.client.request("GET", path).body == answer.body


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        (MERGE, b'{"spec":{"x":1e400}}', 400),
        (JSON_PATCH, b'[{"op":"add","path":"/spec/x","value":-1e400}]', 400),
        (MERGE, b'{"spec":{"x":"\\ud8"}}', 400),
    ],
)
def test_an_invalid_value_is_refused(
    running: SandboxThread, path: str, content_type: str, body: bytes, status: int
) -> None:
    assert running.client.request("PATCH", path, body, content_type).status == status


@pytest.mark.parametrize(
    ("body", "status"), [(b'{"spec":{"x":1e400}}', 422), (b'{"spec":{"x":"\\ud8"}}', 500)]
)
def test_an_old_server_has_other_statuses_for_merge_patches_of_invalid_values(
    running_1_20: SandboxThread, body: bytes, status: int
) -> None:
    path = create(running_1_20, "one", kind="tfjobs.kubeflow.org")

    assert running_1_20.client.request("PATCH", path, body, MERGE).status == status


@pytest.mark.parametrize("number", ["2.0", "2147483648"])
def test_a_count_of_a_batch_job_is_an_integer_of_its_size(
    running: SandboxThread, number: str
) -> None:
    job = create(running, "counted")
    body = f'{{"spec":{{"parallelism":{number}}}}}'.encode()

    assert running.client.request("PATCH", job, body, MERGE).status == 422


def test_an_apply_of_half_a_character_is_refused(running: SandboxThread, path: str) -> None:
    body = b'{"apiVersion":"kubeflow.org/v1","kind":"TFJob","spec":{"x":"\\ud800"}}'
    query = f"{path}?fieldManager=us"

    answer = running.client.request("PATCH", query, body, "application/apply-patch+yaml")

    assert answer.status == 400


LARGEST = 3 * 1024 * 1024


@pytest.mark.parametrize("method", ["PATCH", "PUT", "DELETE"])
def test_a_body_may_have_three_mebibytes(running: SandboxThread, path: str, method: str) -> None:
    content_type = MERGE if method == "PATCH" else "application/json"
    largest = b" " * (LARGEST - 2) + b"{}"

    answer = running.client.request(method, path, b" " + largest, content_type)

    assert answer.status == 413
    assert answer.body["message"] == f"Request entity too large: limit is {LARGEST}"
    assert running.client.request(method, path, largest, content_type).status != 413


def test_a_json_patch_may_have_ten_thousand_operations(running: SandboxThread, path: str) -> None:
    operation = {"op": "add", "path": "/spec/x", "value": 1}

    fit = running.client.request("PATCH", path, [operation] * 10_000, JSON_PATCH)
    unfit = running.client.request("PATCH", path, [operation] * 10_001, JSON_PATCH)

    assert (fit.status, unfit.status) == (200, 413)
    assert "is 10000, got 10001" in unfit.body["message"]


def test_all_copies_together_may_have_three_mebibytes(running: SandboxThread, path: str) -> None:
    add = {"op": "add", "path": "/spec/x", "value": "y" * (LARGEST // 4 - 2)}
    copy = {"op": "copy", "from": "/spec/x", "path": "/spec/c"}

    fit = running.client.request("PATCH", path, [add, *[copy] * 4], JSON_PATCH)
    unfit = running.client.request("PATCH", path, [add, *[copy] * 5], JSON_PATCH)

    assert (fit.status, unfit.status) == (200, 422)


OWNER = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}


def test_a_repeated_owner_reference_is_stored_once(running: SandboxThread, path: str) -> None:
    other = {**OWNER, "name": "q"}
    body = {"metadata": {"ownerReferences": [OWNER, other, OWNER]}}

    answer = running.client.request("PATCH", path, body, MERGE)

    assert answer.body["metadata"]["ownerReferences"] == [OWNER, other]


REPEATED = {"metadata": {"finalizers": ["example.com/a", "example.com/a"]}}


def test_on_an_old_server_an_object_with_a_repeated_finalizer_has_no_managers(
    running_1_20: SandboxThread,
) -> None:
    path = create(running_1_20, "one", kind="tfjobs.kubeflow.org")
    assert apply(running_1_20, path, labels={"a": "b"}).status == 200

    answer = running_1_20.client.request("PATCH", path, REPEATED, MERGE)

    assert answer.body["metadata"]["finalizers"] == REPEATED["metadata"]["finalizers"]
    assert "managedFields" not in answer.body["metadata"]
    assert apply(running_1_20, path, labels={"a": "c"}).status == 500


def test_a_current_server_tracks_an_object_with_a_repeated_finalizer(
    running: SandboxThread, path: str
) -> None:
    assert apply(running, path, labels={"a": "b"}).status == 200

    answer = running.client.request("PATCH", path, REPEATED, MERGE)
    applied = apply(running, path, labels={"a": "c"})

    owned = [entry["fieldsV1"]["f:metadata"] for entry in answer.body["metadata"]["managedFields"]]
    finalizers: Any = {".": {}, 'v:"example.com/a"': {}}
    assert [one.get("f:finalizers") for one in owned] == [None, finalizers]
    assert applied.status == 200
    assert applied.body["metadata"]["finalizers"] == REPEATED["metadata"]["finalizers"]


@pytest.mark.parametrize(
    ("text", "kept"),
    [("1.0", 1), ("1e2", 100), ("9223372036854775809", 9223372036854776000), ("1e400", "1e400")],
)
def test_an_apply_reads_numbers_as_yaml_has_them(
    running: SandboxThread, path: str, text: str, kept: Any
) -> None:
    head = '{"apiVersion":"kubeflow.org/v1","kind":"TFJob","metadata":{"name":"one"}'
    body = f'{head},"spec":{{"x":{text}}}}}'.encode()
    query = f"{path}?fieldManager=us"

    answer = running.client.request("PATCH", query, body, "application/apply-patch+yaml")

    assert answer.status == 200
    assert repr(answer.body["spec"]["x"]) == repr(kept)


@pytest.mark.parametrize(
    ("metadata", "fields"),
    [
        ({"ownerReferences": [{"name": "p"}]}, {"apiVersion", "kind", "uid"}),
        ({"ownerReferences": [{**OWNER, "name": ""}]}, {"name"}),
        (
            {"ownerReferences": [{**OWNER, "controller": True, "uid": uid} for uid in "uv"]},
            {"metadata.ownerReferences"},
        ),
        ({"finalizers": ["a b/c"]}, {"metadata.finalizers"}),
    ],
)
def test_invalid_owners_and_finalizers_are_named(
    running: SandboxThread, path: str, metadata: Any, fields: set[str]
) -> None:
    answer = running.client.request("PATCH", path, {"metadata": metadata}, MERGE)

    assert answer.status == 422
    causes = {cause["field"] for cause in answer.body["details"]["causes"]}
    assert {cause.removeprefix("metadata.ownerReferences.") for cause in causes} == fields


@pytest.mark.parametrize("text", [r'"\/"', r'"\ud83d\ude80"', r'"\\\/"'])
def test_an_apply_accepts_only_the_escapes_of_yaml(
    running: SandboxThread, path: str, text: str
) -> None:
    head = '{"apiVersion":"kubeflow.org/v1","kind":"TFJob","metadata":{"name":"one"}'
    body = f'{head},"spec":{{"x":{text}}}}}'.encode()
    query = f"{path}?fieldManager=us"

    answer = running.client.request("PATCH", query, body, "application/apply-patch+yaml")

    assert answer.status == 400
