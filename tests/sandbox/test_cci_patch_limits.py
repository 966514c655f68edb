"""The limits of a PATCH in CCI mode: each patch type, field and query parameter of each kind.

The expectations are taken from the API reference, independently of the table that the sandbox uses.
Covers the examples of the reference and every status that it lists. Left out: logging in
(test_cci_gateway).
"""

from typing import Any

import pytest

from fleetpatch.model.providers.capability import ProviderName
from fleetpatch.sandbox.apiserver.access import GUEST
from fleetpatch.sandbox.chaos.profiles import Body, Chaos, ChaosRule
from fleetpatch.sandbox.server import SandboxOptions
from tests.sandbox.objects import (
    JSON_PATCH,
    KIND_NAMES,
    MERGE,
    STRATEGIC,
    create,
    metadata,
    relabel,
)
from tests.sandbox.serving import Client, Response, SandboxThread

APPLY = "application/apply-patch+yaml"
BATCH_JOB = "jobs.batch"
VOLCANO_JOB = "jobs.batch.volcano.sh"
TF_JOB = "tfjobs.kubeflow.org"
TRAINING = (TF_JOB, "mxjobs.kubeflow.org", "pytorchjobs.kubeflow.org")
TYPES = {
    BATCH_JOB: (MERGE, STRATEGIC),
    VOLCANO_JOB: (MERGE, JSON_PATCH, STRATEGIC),
    **dict.fromkeys(TRAINING, (MERGE,)),
}
QUERIES = {
    BATCH_JOB: {"pretty": "true"},
    VOLCANO_JOB: {"pretty": "true", "dryRun": "All", "fieldManager": "fleetpatch"},
    **{kind: {"pretty": "true"} for kind in TRAINING},
}
EVERY_QUERY = {"pretty": "true", "dryRun": "All", "fieldManager": "fleetpatch", "force": "true"}
EVERY_TYPE = (MERGE, JSON_PATCH, STRATEGIC, APPLY)


def patch(
    running: SandboxThread, path: str, body: Any, content_type: str = MERGE, **headers: str
) -> Response:
    return running.client.request("PATCH", path, body, content_type, headers=headers)


def body_of(content_type: str) -> Any:
    """A patch of a label, of each type."""
    if content_type == JSON_PATCH:
        return [{"op": "add", "path": "/metadata/labels/q", "value": "5"}]
    return relabel(q="5")


@pytest.mark.parametrize(
    ("kind", "content_type"), [(kind, each) for kind in KIND_NAMES for each in TYPES[kind]]
)
def test_a_patch_type_of_the_kind_is_accepted(
    cci: SandboxThread, kind: str, content_type: str
) -> None:
    path = create(cci, "one", kind=kind)

    answer = patch(cci, path, body_of(content_type), f"{content_type}; charset=utf-8")

    assert answer.status == 200, answer.body
    assert metadata(cci, path)["labels"] == {"app": "etl", "q": "5"}


@pytest.mark.parametrize(
    ("kind", "content_type"),
    [(kind, each) for kind in KIND_NAMES for each in EVERY_TYPE if each not in TYPES[kind]],
)
def test_another_patch_type_is_refused(cci: SandboxThread, kind: str, content_type: str) -> None:
    path = create(cci, "one", kind=kind)
    version = metadata(cci, path)["resourceVersion"]

    refused = patch(cci, path, body_of(content_type), content_type)

    assert (refused.status, refused.body["reason"]) == (415, "UnsupportedMediaType")
    assert refused.body["message"].endswith(", ".join(TYPES[kind]))
    assert metadata(cci, path)["resourceVersion"] == version


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_query_parameters_of_the_kind_are_accepted(cci: SandboxThread, kind: str) -> None:
    path = create(cci, "one", kind=kind)
    query = "&".join(f"{key}={value}" for key, value in QUERIES[kind].items())

    assert patch(cci, f"{path}?{query}", relabel(q="5")).status == 200
    assert ("q" in metadata(cci, path)["labels"]) is ("dryRun" not in QUERIES[kind])


@pytest.mark.parametrize(
    ("kind", "query"),
    [
        (kind, f"{key}={value}")
        for kind in KIND_NAMES
        for key, value in (EVERY_QUERY | {"fieldValidation": "Strict"}).items()
        if key not in QUERIES[kind]
    ],
)
def test_another_query_parameter_is_refused_by_the_gateway(
    cci: SandboxThread, kind: str, query: str
) -> None:
    path = create(cci, "one", kind=kind)

    refused = patch(cci, f"{path}?{query}", relabel(q="5"))

    name = query.partition("=")[0]
    message = f"API request error: no such query parameter here: {name}"
    assert refused.status == 400
    assert refused.body == {"error_msg": message, "error_code": "APIG.0201"}
    assert metadata(cci, path)["labels"] == {"app": "etl"}


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (BATCH_JOB, {"spec": {"parallelism": 3}}),
        (VOLCANO_JOB, {"metadata": {"generateName": "x-", "annotations": {"a": "b"}}}),
        (VOLCANO_JOB, {"spec": {"template": {"a": [1]}, "replicas": 2}}),
        *((kind, {"metadata": {"annotations": {"a": "b"}}}) for kind in TRAINING),
        *((kind, {"spec": {"activeDeadlineSeconds": 9}}) for kind in TRAINING),
        *((kind, {"spec": {"ttlSecondsAfterFinished": 9}}) for kind in TRAINING),
        *((kind, {"spec": {"cleanPodPolicy": "All"}}) for kind in TRAINING),
    ],
)
def test_an_updatable_field_is_updated(cci: SandboxThread, kind: str, body: Any) -> None:
    path = create(cci, "one", kind=kind)

    answer = patch(cci, path, body)

    assert answer.status == 200, answer.body
    assert_holds(cci.client.request("GET", path).body, body)


def assert_holds(found: Any, expected: Any) -> None:
    for key, value in expected.items():
        if isinstance(value, dict):
            assert_holds(found[key], value)
        else:
            assert found[key] == value


@pytest.mark.parametrize(
    ("kind", "body", "fields"),
    [
        (BATCH_JOB, {"metadata": {"annotations": {"a": "b"}}}, ["metadata.annotations"]),
        (BATCH_JOB, {"spec": {"backoffLimit": 1}}, ["spec.backoffLimit"]),
        (BATCH_JOB, {"spec": {"parallelism": 2, "backoffLimit": 1}}, ["spec.backoffLimit"]),
        (VOLCANO_JOB, {"spec": {"tasks": []}}, ["spec.tasks"]),
        (VOLCANO_JOB, {"spec": {"minAvailable": None}}, ["spec.minAvailable"]),
        (VOLCANO_JOB, {"metadata": {"finalizers": ["a/b"]}}, ["metadata.finalizers"]),
        *((kind, {"spec": {"template": {}}}, ["spec.template"]) for kind in TRAINING),
        *(
            (kind, {"metadata": {"finalizers": ["a/b"]}, "spec": {"runPolicy": 1}}, both)
            for kind in TRAINING
            for both in [["metadata.finalizers", "spec.runPolicy"]]
        ),
    ],
)
def test_another_field_is_refused_and_named(
    cci: SandboxThread, kind: str, body: Any, fields: list[str]
) -> None:
    path = create(cci, "one", kind=kind)
    version = metadata(cci, path)["resourceVersion"]

    refused = patch(cci, path, body)

    assert (refused.status, refused.body["reason"]) == (422, "Invalid")
    causes = refused.body["details"]["causes"]
    assert [cause["field"] for cause in causes] == fields
    assert {cause["reason"] for cause in causes} == {"FieldValueForbidden"}
    assert "fields that may: metadata.labels" in causes[0]["message"]
    assert metadata(cci, path)["resourceVersion"] == version


def test_a_json_patch_of_another_field_is_refused(cci: SandboxThread) -> None:
    path = create(cci, "one", kind=VOLCANO_JOB)
    operation = {"op": "replace", "path": "/spec/tasks/0/replicas", "value": 5}

    refused = patch(cci, path, [operation], JSON_PATCH)

    assert [cause["field"] for cause in refused.body["details"]["causes"]] == ["spec.tasks"]


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_preconditions_and_unchanged_fields_are_not_updates(cci: SandboxThread, kind: str) -> None:
    path = create(cci, "one", kind=kind)
    found = cci.client.request("GET", path).body
    known = found["metadata"]
    own = {key: known[key] for key in ("uid", "resourceVersion", "name", "namespace")}

    body = {"metadata": {**own, "labels": {"q": "5"}}, "spec": found["spec"]}
    assert patch(cci, path, body).status == 200
    assert patch(cci, path, body).status == 409, "the version is looked at all the same"


@pytest.mark.parametrize("kind", [VOLCANO_JOB, TF_JOB, "mxjobs.kubeflow.org"])
def test_the_example_of_the_reference_changes_the_label(cci: SandboxThread, kind: str) -> None:
    path = create(cci, "one", {"app": "before"}, kind)
    before = cci.client.request("GET", path).body

    answer = patch(cci, path, {"metadata": {"labels": {"app": "test"}}}).body

    version = answer["metadata"].pop("resourceVersion")
    assert version != before["metadata"].pop("resourceVersion")
    before["metadata"]["labels"] = {"app": "test"}
    assert answer == before


def test_the_other_example_of_the_reference_is_accepted_and_ignored(cci: SandboxThread) -> None:
    path = create(cci, "one")
    before = cci.client.request("GET", path).body

    answer = patch(cci, path, {"op": "replace", "path": "/status", "value": "Available"})

    assert (answer.status, answer.body) == (200, before)


def test_each_status_of_the_reference_occurs_for_its_usual_cause(cci: SandboxThread) -> None:
    path = create(cci, "one")
    stale = {"metadata": {"resourceVersion": "1", "labels": {"q": "5"}}}
    unknown = {"X-Auth-Token": "unknown"}
    guest = Client(cci.sandbox.ready.server)
    token = cci.sandbox.token(GUEST)

    assert patch(cci, path, relabel(q="5")).status == 200
    assert patch(cci, f"{path}?force=true", relabel(q="5")).status == 400
    assert patch(cci, path, relabel(q="5"), **unknown).status == 401
    assert guest.request("PATCH", path, relabel(q="5"), MERGE, token=token).status == 403
    assert patch(cci, f"{path}-nope", relabel(q="5")).status == 404
    assert patch(cci, f"{path}/status", relabel(q="5")).status == 405
    assert patch(cci, path, relabel(q="5"), Accept="text/html").status == 406
    assert patch(cci, path, stale).status == 409
    assert patch(cci, path, [], JSON_PATCH).status == 415
    assert patch(cci, path, relabel(q="no label")).status == 422
    guest.close()


LISTED = (400, 401, 403, 404, 405, 406, 409, 415, 422, 429, 500, 503, 504)


@pytest.mark.parametrize("body", [Body.STATUS, Body.GATEWAY])
def test_each_status_of_the_reference_can_be_injected(body: Body) -> None:
    rules = tuple(
        ChaosRule(status=status, names=(f"fails-{status}",), body=body, retry_after=7)
        for status in LISTED
    )
    options = SandboxOptions(
        jobs=0, namespaces=0, provider=ProviderName.CCI, chaos=Chaos(rules=rules)
    )
    with SandboxThread(options) as running:
        for status in LISTED:
            refused = patch(running, create(running, f"fails-{status}"), relabel(q="5"))

            assert refused.status == status
            assert refused.headers["Retry-After"] == "7"
            if body is Body.STATUS:
                assert (refused.body["kind"], refused.body["code"]) == ("Status", status)
                assert refused.body["reason"]
            else:
                assert set(refused.body) == {"error_msg", "error_code"}
                assert refused.body["error_code"].startswith("APIG.")


def test_the_gateway_throttles_with_its_own_error() -> None:
    rule = ChaosRule(status=429, body=Body.GATEWAY, times=1)
    options = SandboxOptions(jobs=0, namespaces=0, chaos=Chaos(rules=(rule,)))
    with SandboxThread(options) as running:
        refused = patch(running, create(running, "one"), relabel(q="5"))

    assert refused.body == {
        "error_msg": "The throttling threshold has been reached.",
        "error_code": "APIG.0308",
    }
