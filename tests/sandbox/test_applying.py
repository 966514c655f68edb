"""Server-side apply on the sandbox, and the owners of an object's fields.

Covered: the messages of conflicts, owners before the first apply and after each kind of write,
`force`, fields that are left out, equal values, no-ops, creation and its guard, bodies in YAML,
atomic fields of custom kinds. Left out: agreement with a real server over many writes
(tests/differential/test_same_applies.py).
"""

from typing import Any

import pytest

from tests.sandbox.objects import BATCH, METADATA, TENSORFLOW, create, metadata, relabel
from tests.sandbox.objects import MERGE as MERGE_PATCH
from tests.sandbox.serving import Response, SandboxThread

APPLY = "application/apply-patch+yaml"


def apply(
    running: SandboxThread,
    path: str,
    manager: str = "us",
    query: str = "",
    /,
    *,
    spec: Any = None,
    **own: Any,
) -> Response:
    """Apply `own` metadata, and a spec if there is one, to the object at `path`."""
    kind = BATCH if "/batch/" in path else TENSORFLOW
    body: dict[str, Any] = {"apiVersion": kind.api_version, "kind": kind.kind}
    body["metadata"] = {"name": path.rpartition("/")[2], **own}
    if spec is not None:
        body["spec"] = spec
    return running.client.request("PATCH", f"{path}?fieldManager={manager}{query}", body, APPLY)


def owners(running: SandboxThread, path: str) -> dict[str, Any]:
    """The fields of each manager, by its name and operation."""
    entries = metadata(running, path).get("managedFields", [])
    return {f"{entry['manager']} {entry['operation']}": entry["fieldsV1"] for entry in entries}


def label_owners(running: SandboxThread, path: str, key: str) -> set[str]:
    """The owners of a label."""
    return {
        owner
        for owner, fields in owners(running, path).items()
        if f"f:{key}" in fields.get("f:metadata", {}).get("f:labels", {})
    }


@pytest.fixture
def path(running: SandboxThread) -> str:
    return create(running, "one", {"app": "etl", "team": "red"})


def a_job_of_the_fleet(running: SandboxThread) -> str:
    jobs = running.client.request("GET", f"/apis/{BATCH.api_version}/jobs?limit=1").body["items"]
    found = jobs[0]["metadata"]
    return BATCH.path(found["namespace"], found["name"])


def test_objects_of_the_fleet_have_no_owners_before_the_first_apply(running: SandboxThread) -> None:
    path = a_job_of_the_fleet(running)
    running.client.request("PATCH", path, relabel(mark="1"), MERGE_PATCH)
    before = owners(running, path)

    applied = apply(running, path, labels={"mine": "1"})

    assert (before, applied.status) == ({}, 200)
    assert label_owners(running, path, "mine") == {"us Apply"}
    assert label_owners(running, path, "app") == {"before-first-apply Update"}
    assert label_owners(running, path, "mark") == {"before-first-apply Update"}


def test_a_new_object_is_owned_by_its_creator(running: SandboxThread, path: str) -> None:
    made = owners(running, path)["unknown Update"]

    assert made["f:metadata"]["f:labels"] == {".": {}, "f:app": {}, "f:team": {}}
    assert made["f:spec"]["f:template"]["f:spec"]["f:containers"]['k:{"name":"main"}']["."] == {}
    assert "f:selector" not in made["f:spec"]


def test_a_conflict_names_the_field_and_its_owner(running: SandboxThread, path: str) -> None:
    apply(running, path, "argo", labels={"owner": "ana"})

    one = apply(running, path, labels={"app": "train"})
    three = apply(running, path, labels={"app": "train", "team": "blue", "owner": "bo"})

    assert (one.status, one.body["reason"]) == (409, "Conflict")
    assert one.body["message"] == (
        'Apply failed with 1 conflict: conflict with "unknown" using batch/v1: .metadata.labels.app'
    )
    assert one.body["details"] == {
        "causes": [
            {
                "reason": "FieldManagerConflict",
                "message": 'conflict with "unknown" using batch/v1',
                "field": ".metadata.labels.app",
            }
        ]
    }
    assert three.body["message"] == (
        'Apply failed with 3 conflicts: conflicts with "argo":\n- .metadata.labels.owner\n'
        'conflicts with "unknown" using batch/v1:\n- .metadata.labels.app\n- .metadata.labels.team'
    )
    assert metadata(running, path)["labels"]["app"] == "etl"


def test_force_takes_fields_over(running: SandboxThread, path: str) -> None:
    forced = apply(running, path, "us", "&force=true", labels={"app": "train"})

    assert forced.body["metadata"]["labels"] == {"app": "train", "team": "red"}
    assert label_owners(running, path, "app") == {"us Apply"}
    assert label_owners(running, path, "team") == {"unknown Update"}


def test_equal_values_are_owned_together(running: SandboxThread, path: str) -> None:
    agreed = apply(running, path, labels={"app": "etl"})

    assert agreed.status == 200
    assert label_owners(running, path, "app") == {"us Apply", "unknown Update"}


def test_a_field_that_is_left_out_is_removed_unless_another_manager_owns_it(
    running: SandboxThread, path: str
) -> None:
    apply(running, path, labels={"app": "etl", "mine": "1"})

    left_out = apply(running, path, labels={"new": "1"})

    assert left_out.body["metadata"]["labels"] == {"app": "etl", "team": "red", "new": "1"}
    assert label_owners(running, path, "app") == {"unknown Update"}


def test_a_null_is_a_value_and_becomes_empty_in_a_label(running: SandboxThread, path: str) -> None:
    applied = apply(running, path, labels={"mine": None})

    assert applied.body["metadata"]["labels"]["mine"] == ""


def test_a_merge_patch_takes_over_what_it_changes(running: SandboxThread, path: str) -> None:
    apply(running, path, labels={"mine": "1", "other": "1"})

    as_us = f"{path}?fieldManager=us"
    running.client.request("PATCH", as_us, relabel(mine="2", team="red"), MERGE_PATCH)
    refused = apply(running, path, labels={"mine": "1", "other": "1"})

    assert label_owners(running, path, "mine") == {"us Update"}
    assert label_owners(running, path, "other") == {"us Apply"}
    assert label_owners(running, path, "team") == {"unknown Update"}
    assert refused.body["details"]["causes"][0]["message"] == 'conflict with "us" using batch/v1'


def test_an_apply_of_nothing_new_leaves_the_version(running: SandboxThread, path: str) -> None:
    first = apply(running, path, labels={"mine": "1"})

    again = apply(running, path, labels={"mine": "1"})

    assert again.body == first.body


def test_a_stale_version_is_a_conflict_of_another_kind(running: SandboxThread, path: str) -> None:
    stale = apply(running, path, labels={"mine": "1"}, resourceVersion="1")

    assert (stale.status, stale.body["reason"]) == (409, "Conflict")
    assert "the object has been modified" in stale.body["message"]
    assert "causes" not in stale.body["details"]


def test_an_apply_with_a_uid_does_not_recreate_an_object(running: SandboxThread, path: str) -> None:
    uid = metadata(running, path)["uid"]
    running.client.request("DELETE", path)

    guarded = apply(running, path, labels={"mine": "1"}, uid=uid, spec=BATCH.spec)
    unguarded = apply(running, path, labels={"mine": "1"}, spec=BATCH.spec)

    assert guarded.status == 409
    assert guarded.body["message"] == (
        'Operation cannot be fulfilled on jobs.batch "one": uid mismatch: the provided object'
        f" specified uid {uid}, and no existing object was found"
    )
    assert unguarded.status == 201
    assert unguarded.body["metadata"]["uid"] != uid
    assert list(owners(running, path)) == ["us Apply"]


def test_a_dry_run_changes_nothing(running: SandboxThread, path: str) -> None:
    before = running.client.request("GET", path).body

    answer = apply(running, path, "us", "&dryRun=All", labels={"mine": "1"})
    absent = apply(running, f"{path}-more", "us", "&dryRun=All", spec=BATCH.spec)

    assert answer.body["metadata"]["labels"]["mine"] == "1"
    assert running.client.request("GET", path).body == before
    assert absent.status == 201
    assert running.client.request("GET", f"{path}-more").status == 404


def test_metadata_only_answers_include_the_owners(running: SandboxThread, path: str) -> None:
    partial = running.client.request("GET", path, headers={"Accept": METADATA}).body

    assert partial["metadata"]["managedFields"] == metadata(running, path)["managedFields"]


def test_a_configuration_may_be_yaml(running: SandboxThread, path: str) -> None:
    text = "# ours\napiVersion: batch/v1\nkind: Job\nmetadata:\n  name: one\n  labels: {mine: a}\n"

    applied = running.client.request("PATCH", f"{path}?fieldManager=us", text.encode(), APPLY)

    assert applied.body["metadata"]["labels"]["mine"] == "a"


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{", 400, "error decoding YAML"),
        (b"[]", 400, "error decoding YAML"),
        (b"", 400, "Incorrect version specified in apply patch. Specified patch version: ,"),
        (b"apiVersion: batch/v1\nkind: Other", 500, "no corresponding type for batch/v1, Kind="),
        (
            b"apiVersion: batch/v1\nkind: Job\nspec: {template: {spec: {gpus: 1}}}",
            500,
            ".spec.template.spec.gpus: field not declared in schema",
        ),
        (
            b"apiVersion: batch/v1\nkind: Job\nmetadata: {finalizers: [a/b, a/b]}",
            500,
            ".metadata.finalizers: duplicate entries",
        ),
        (
            b"apiVersion: batch/v1\nkind: Job\nmetadata: {managedFields: []}",
            400,
            "metadata.managedFields must be nil",
        ),
    ],
)
def test_a_body_that_is_not_a_configuration_is_refused(
    running: SandboxThread, path: str, body: bytes, status: int, words: str
) -> None:
    refused = running.client.request("PATCH", f"{path}?fieldManager=us", body, APPLY)

    assert refused.status == status
    assert words in refused.body["message"]


def test_an_apply_needs_a_manager(running: SandboxThread, path: str) -> None:
    refused = running.client.request("PATCH", path, b"", APPLY)

    assert refused.status == 422
    assert "fieldManager: Required value: is required for apply patch" in refused.body["message"]


def test_the_fields_of_a_custom_spec_are_replaced_as_a_whole(running: SandboxThread) -> None:
    path = create(running, "two", kind="tfjobs.kubeflow.org")
    change = {"tfReplicaSpecs": {"Worker": {"replicas": 5}}}

    refused = apply(running, path, spec=change)
    forced = apply(running, path, "us", "&force=true", spec=change)

    assert refused.body["details"]["causes"][0]["field"] == ".spec.tfReplicaSpecs"
    assert forced.body["spec"] == change
    assert owners(running, path)["us Apply"] == {"f:spec": {"f:tfReplicaSpecs": {}}}


def test_owners_can_be_cleared(running: SandboxThread, path: str) -> None:
    cleared: Any = {"metadata": {"managedFields": [{}]}}
    running.client.request("PATCH", path, cleared, MERGE_PATCH)
    running.client.request("PATCH", path, relabel(mark="1"), MERGE_PATCH)

    assert owners(running, path) == {}


def test_a_namespace_is_owned_too(running: SandboxThread) -> None:
    body = {"metadata": {"name": "made", "labels": {"a": "b"}}}
    created = running.client.request("POST", "/api/v1/namespaces", body)

    fields = created.body["metadata"]["managedFields"][0]["fieldsV1"]
    assert fields["f:metadata"] == {"f:labels": {".": {}, "f:a": {}}}
