"""PATCH, POST, PUT and DELETE on the sandbox.

Covers the answers that clients rely on: conflicts, uids, no-ops, dry runs, immutable fields,
invalid labels, unknown types, and the form of refusals. Left out: server-side apply
(test_applying), and agreement with a real server (tests/differential).
"""

from typing import Any

import pytest

from tests.sandbox.objects import (
    BATCH,
    JSON_PATCH,
    KIND_NAMES,
    MERGE,
    METADATA,
    NAMESPACE,
    STRATEGIC,
    TENSORFLOW,
    create,
    metadata,
    relabel,
)
from tests.sandbox.serving import SandboxThread


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_a_merge_patch_sets_and_removes_labels(running: SandboxThread, kind: str) -> None:
    path = create(running, "one", {"app": "etl", "team": "ads"}, kind)

    patched = running.client.request("PATCH", path, relabel(app="train", team=None), MERGE)

    assert patched.status == 200
    assert patched.body["metadata"]["labels"] == {"app": "train"}
    assert metadata(running, path) == patched.body["metadata"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        relabel(app="etl"),
        relabel(absent=None),
        {"metadata": {"annotations": {"absent": None}}},
        # A JSON Patch operation in a merge patch has only unknown fields.
        {"op": "replace", "path": "/status", "value": "Available"},
        # Fields that only the server sets
        {"metadata": {"creationTimestamp": None, "generation": 7}},
    ],
)
def test_a_patch_that_changes_nothing_leaves_the_version(
    running: SandboxThread, body: dict[str, Any]
) -> None:
    path = create(running, "one")
    before = metadata(running, path)

    assert running.client.request("PATCH", path, body, MERGE).status == 200
    assert metadata(running, path) == before


def test_a_stale_version_is_a_conflict_that_names_the_object(running: SandboxThread) -> None:
    path = create(running, "one")
    body = {"metadata": {"resourceVersion": "1", "labels": {"q": "5"}}}

    refused = running.client.request("PATCH", path, body, MERGE)

    assert (refused.status, refused.body["reason"]) == (409, "Conflict")
    assert refused.body["details"] == {"name": "one", "group": "batch", "kind": "jobs"}
    assert refused.body["message"] == (
        'Operation cannot be fulfilled on jobs.batch "one": the object has been modified;'
        " please apply your changes to the latest version and try again"
    )


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (
            "jobs.batch",
            {
                "metadata.uid",
                # Generated from the uid, so they do not fit the new one.
                "spec.selector",
                "spec.template.metadata.labels[batch.kubernetes.io/controller-uid]",
                "spec.template.metadata.labels[controller-uid]",
            },
        ),
        ("tfjobs.kubeflow.org", {"metadata.uid"}),
    ],
)
def test_another_uid_is_invalid(running: SandboxThread, kind: str, fields: set[str]) -> None:
    path = create(running, "one", kind=kind)

    refused = running.client.request("PATCH", path, {"metadata": {"uid": "other"}}, MERGE)

    assert (refused.status, refused.body["reason"]) == (422, "Invalid")
    assert {cause["field"] for cause in refused.body["details"]["causes"]} == fields


def test_the_version_is_checked_before_the_uid(running: SandboxThread) -> None:
    path = create(running, "one")
    body = {"metadata": {"uid": "other", "resourceVersion": "1"}}

    assert running.client.request("PATCH", path, body, MERGE).status == 409


@pytest.mark.parametrize("content_type", [MERGE, STRATEGIC])
@pytest.mark.parametrize("value", [5, True, {"a": "b"}])
def test_a_label_that_is_not_a_string_is_answered_with_the_whole_object(
    running: SandboxThread, content_type: str, value: Any
) -> None:
    path = create(running, "one")
    body = {"metadata": {"labels": {"q": value}}}

    refused = running.client.request("PATCH", path, body, content_type)

    assert refused.status == 422
    assert [cause["field"] for cause in refused.body["details"]["causes"]] == ["patch"]
    assert '\\"controller-uid\\"' in refused.body["message"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (relabel(q="a b"), "metadata.labels"),
        ({"metadata": {"annotations": {"a b": "c"}}}, "metadata.annotations"),
        ({"metadata": {"annotations": {"a": "x" * 262_144}}}, "metadata.annotations"),
        ({"spec": {"completions": 5}}, "spec.completions"),
        ({"spec": {"template": {"spec": {"restartPolicy": "OnFailure"}}}}, "spec.template"),
        ({"spec": {"parallelism": -1}}, "spec.parallelism"),
    ],
)
def test_invalid_fields_are_named(running: SandboxThread, body: dict[str, Any], field: str) -> None:
    path = create(running, "one")
    before = metadata(running, path)

    refused = running.client.request("PATCH", path, body, MERGE)

    assert refused.status == 422
    assert refused.body["details"]["causes"][0]["field"] == field
    assert metadata(running, path) == before


@pytest.mark.parametrize(
    ("kind", "content_type", "words"),
    [
        ("jobs.batch", "text/plain", "415: Unsupported Media Type"),
        ("tfjobs.kubeflow.org", STRATEGIC, "accepted media types include: application/json-patch"),
        ("tfjobs.kubeflow.org", "text/plain", "accepted media types include"),
    ],
)
def test_an_unsupported_patch_type_of_the_kind_is_refused(
    running: SandboxThread, kind: str, content_type: str, words: str
) -> None:
    path = create(running, "one", kind=kind)

    refused = running.client.request("PATCH", path, {}, content_type)

    assert (refused.status, refused.body["reason"]) == (415, "UnsupportedMediaType")
    assert words in refused.body["message"]


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/metadata/labels/app", "value": "other"},
        {"op": "remove", "path": "/metadata/labels/absent"},
        {"op": "add", "path": "/metadata/annotations/a", "value": "b"},
    ],
)
def test_json_patches_that_fail_all_have_the_same_answer(
    running: SandboxThread, operation: dict[str, Any]
) -> None:
    path = create(running, "one")

    refused = running.client.request("PATCH", path, [operation], JSON_PATCH)

    assert (refused.status, refused.body["reason"]) == (422, "Invalid")
    assert refused.body["details"] == {}


@pytest.mark.parametrize(
    ("content_type", "body", "status", "words"),
    [
        (
            JSON_PATCH,
            {"a": 1},
            400,
            "cannot unmarshal object into Go value of type jsonpatch.Patch",
        ),
        (JSON_PATCH, b"[{", 400, "unexpected end of JSON input"),
        (MERGE, b'{"metadata":', 400, "error decoding patch"),
        (MERGE, b'"text"', 400, "cannot unmarshal string"),
        (MERGE, b"[]", 400, "cannot unmarshal array"),
        (MERGE, b"null", 400, "error decoding patch"),
        (STRATEGIC, b"[]", 400, "cannot unmarshal array"),
        (MERGE, {"metadata": {"name": "other"}}, 400, "the name of the object (other) does not"),
        (MERGE, {"metadata": {"namespace": "other"}}, 400, "the namespace of the object (other)"),
    ],
)
def test_bodies_that_are_not_patches_are_refused(
    running: SandboxThread, content_type: str, body: Any, status: int, words: str
) -> None:
    path = create(running, "one")

    refused = running.client.request("PATCH", path, body, content_type)

    assert refused.status == status
    assert words in refused.body["message"]


@pytest.mark.parametrize(
    ("body", "status"), [(b'{"metadata":', 500), (b'"text"', 500), (b"5", 500), (b"[]", 422)]
)
def test_an_old_server_has_other_statuses_for_bodies_that_are_not_merge_patches(
    running_1_20: SandboxThread, body: bytes, status: int
) -> None:
    path = create(running_1_20, "one")

    assert running_1_20.client.request("PATCH", path, body, MERGE).status == status


def test_a_dry_run_shows_the_object_and_stores_nothing(running: SandboxThread) -> None:
    path = create(running, "one")
    before = metadata(running, path)

    shown = running.client.request("PATCH", f"{path}?dryRun=All", relabel(q="5"), MERGE)

    assert shown.body["metadata"]["labels"] == {"app": "etl", "q": "5"}
    assert shown.body["metadata"]["resourceVersion"] == before["resourceVersion"]
    assert metadata(running, path) == before


def test_another_value_of_dry_run_is_invalid(running: SandboxThread) -> None:
    path = create(running, "one")

    refused = running.client.request("PATCH", f"{path}?dryRun=Maybe", {}, MERGE)

    assert refused.status == 422
    assert refused.body["details"]["causes"][0]["field"] == "dryRun"


def test_unknown_fields_of_a_batch_job_are_dropped(running: SandboxThread) -> None:
    path = create(running, "one")
    before = running.client.request("GET", path).body

    patched = running.client.request("PATCH", path, {"spec": {"unknown": 1}}, MERGE)

    assert patched.body == before


def test_a_custom_kind_keeps_any_spec_and_counts_its_changes(running: SandboxThread) -> None:
    path = create(running, "one", kind="tfjobs.kubeflow.org")

    patched = running.client.request("PATCH", path, {"spec": {"unknown": 1}}, MERGE)

    assert patched.body["spec"]["unknown"] == 1
    assert patched.body["metadata"]["generation"] == 2


def test_metadata_only_answers_have_no_spec(running: SandboxThread) -> None:
    path = create(running, "one")

    patched = running.client.request(
        "PATCH", path, relabel(q="5"), MERGE, headers={"Accept": METADATA}
    )

    assert patched.body["kind"] == "PartialObjectMetadata"
    assert set(patched.body) == {"kind", "apiVersion", "metadata"}


def test_an_object_is_created_with_what_the_server_sets(running: SandboxThread) -> None:
    manifest = BATCH.manifest("one", {"app": "etl"})

    created = running.client.request("POST", BATCH.path(NAMESPACE), manifest).body

    old = {"controller-uid": created["metadata"]["uid"], "job-name": "one"}
    own = old | {f"batch.kubernetes.io/{name}": value for name, value in old.items()}
    selected = {"batch.kubernetes.io/controller-uid": old["controller-uid"]}
    template = created["spec"]["template"]
    assert template["metadata"] == {"labels": own}
    assert created["spec"]["selector"]["matchLabels"] == selected
    assert (created["spec"]["parallelism"], created["spec"]["backoffLimit"]) == (1, 6)
    assert created["spec"]["suspend"] is False
    assert created["metadata"]["generation"] == 1
    assert created["metadata"]["creationTimestamp"].endswith("Z")


def test_an_old_server_sets_less(running_1_20: SandboxThread) -> None:
    manifest = BATCH.manifest("one", {"app": "etl"})

    created = running_1_20.client.request("POST", BATCH.path(NAMESPACE), manifest).body

    own = {"controller-uid": created["metadata"]["uid"], "job-name": "one"}
    metadata = {"creationTimestamp": None, "labels": own}
    assert created["spec"]["template"]["metadata"] == metadata
    assert created["spec"]["selector"]["matchLabels"] == {"controller-uid": own["controller-uid"]}
    assert "generation" not in created["metadata"]
    assert "suspend" not in created["spec"]


def test_the_template_of_a_suspended_job_can_change_where_its_pods_run(
    running: SandboxThread,
) -> None:
    manifest = BATCH.manifest("one", {"app": "etl"})
    manifest["spec"] = {**manifest["spec"], "suspend": True}
    created = running.client.request("POST", BATCH.path(NAMESPACE), manifest)
    path = BATCH.path(NAMESPACE, "one")

    def changed(pod: Any) -> int:
        body = {"spec": {"template": {"spec": pod}}}
        return running.client.request("PATCH", path, body, MERGE).status

    assert created.body["spec"]["suspend"] is True
    assert changed({"nodeSelector": {"pool": "gpu"}}) == 200
    assert changed({"restartPolicy": "OnFailure"}) == 422
    resumed = running.client.request("PATCH", path, {"spec": {"suspend": False}}, MERGE)
    assert resumed.body["metadata"]["generation"] == 3
    assert changed({"nodeSelector": {"pool": "cpu"}}) == 422


def test_a_name_is_generated(running: SandboxThread) -> None:
    manifest = TENSORFLOW.manifest("")
    manifest["metadata"] = {"generateName": "made-"}

    created = running.client.request("POST", TENSORFLOW.path(NAMESPACE), manifest)

    assert created.status == 201
    assert created.body["metadata"]["name"].startswith("made-")


def test_creating_what_exists_is_refused(running: SandboxThread) -> None:
    create(running, "one")

    refused = running.client.request("POST", BATCH.path(NAMESPACE), BATCH.manifest("one"))

    assert (refused.status, refused.body["reason"]) == (409, "AlreadyExists")


def test_creating_in_a_missing_namespace_is_refused(running: SandboxThread) -> None:
    refused = running.client.request("POST", BATCH.path("nowhere"), BATCH.manifest("one"))

    assert (refused.status, refused.body["details"]["kind"]) == (404, "namespaces")


def test_an_update_replaces_the_object_at_its_version(running: SandboxThread) -> None:
    path = create(running, "one")
    document = running.client.request("GET", path).body
    document["metadata"]["labels"] = {"new": "yes"}

    first = running.client.request("PUT", path, document)
    second = running.client.request("PUT", path, document)

    assert (first.status, second.status) == (200, 409)
    assert metadata(running, path)["labels"] == {"new": "yes"}


def test_a_deleted_object_is_gone(running: SandboxThread) -> None:
    path = create(running, "one")

    deleted = running.client.request("DELETE", path)
    gone = running.client.request("PATCH", path, {}, MERGE)

    assert (deleted.status, deleted.body["status"]) == (200, "Success")
    assert (gone.status, gone.body["reason"]) == (404, "NotFound")
    assert gone.body["message"] == 'jobs.batch "one" not found'


def test_a_precondition_protects_another_object_from_deletion(running: SandboxThread) -> None:
    path = create(running, "one")

    refused = running.client.request("DELETE", path, {"preconditions": {"uid": "other"}})

    assert refused.status == 409
    assert running.client.request("GET", path).status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", BATCH.path(NAMESPACE, "one")),
        ("PATCH", BATCH.path(NAMESPACE)),
        ("PUT", BATCH.path(NAMESPACE)),
        ("POST", "/apis/batch/v1/jobs"),
    ],
)
def test_unsupported_methods_are_refused(running: SandboxThread, method: str, path: str) -> None:
    assert running.client.request(method, path, {}).status == 405
