"""Creation, update, deletion and unusual paths: a table of requests, sent to both servers.

Covers cases that generated patches (test_same_answers) do not reach. Left out: the garbage
collector; the sandbox deletes at once, so batch Jobs are deleted with background propagation here.
"""

from typing import Any

import pytest

from tests.control_plane import JOB_KINDS, JobKind
from tests.differential.generated import MERGE, Step
from tests.differential.servers import KINDS, BothServers

pytestmark = pytest.mark.control_plane

POD: dict[str, Any] = JOB_KINDS["jobs.batch"].spec["template"]["spec"]
CONTAINER: dict[str, Any] = POD["containers"][0]

METADATA: list[Any] = [
    {"name": "plain"},
    {"name": "labelled", "labels": {"a": "b", "c": ""}, "annotations": {"Big.Example/x": "y"}},
    {"name": "Bad_Name"},
    {"name": "bad-labels", "labels": {"a b": "c", "d": "e f"}},
    {"name": "number", "labels": {"a": 5}},
    {"name": "nulls", "labels": None, "annotations": {"a": None}},
    {"name": "elsewhere", "namespace": "other"},
    {"name": "unknown", "unknown": "field", "generation": 7},
    {"name": 5},
    {},
    None,
]
SPECS: list[Any] = [
    {},
    None,
    "text",
    {"template": {"spec": POD}, "parallelism": 2, "completions": 4},
    {"template": {"spec": POD}, "parallelism": "2"},
    {"template": {"spec": {**POD, "restartPolicy": "Always"}}},
    {"template": {"spec": {**POD, "containers": []}}},
    {"template": {"spec": {**POD, "containers": [{**CONTAINER, "image": "busybox:1.36"}]}}},
    {"template": {"spec": {**POD, "containers": [{"command": ["true"]}]}}},
    {"template": {"metadata": {"labels": {"x": "y"}}, "spec": POD}},
    {"template": {"spec": POD}, "manualSelector": True},
    {
        "template": {"metadata": {"labels": {"x": "y"}}, "spec": POD},
        "manualSelector": True,
        "selector": {"matchLabels": {"x": "y"}},
    },
    {"template": {"spec": POD}, "selector": {"matchLabels": {"x": "y"}}},
]


def post(of_kind: JobKind, /, **changes: Any) -> Step:
    """A POST of the kind's minimal manifest with some changes."""
    return Step("POST", {**of_kind.manifest("made"), **changes})


@pytest.mark.parametrize("kind", KINDS)
def test_metadata_of_new_objects(both: BothServers, kind: str) -> None:
    of_kind = JOB_KINDS[kind]

    for metadata in METADATA:
        step = post(of_kind, metadata=metadata)
        sandbox, real = both.answers(step, of_kind.path(both.namespace))
        assert sandbox == real, step


@pytest.mark.parametrize("kind", KINDS)
def test_specs_of_new_objects(both: BothServers, kind: str) -> None:
    of_kind = JOB_KINDS[kind]

    for number, spec in enumerate(SPECS):
        step = post(of_kind, metadata={"name": f"spec-{number}"}, spec=spec)
        sandbox, real = both.answers(step, of_kind.path(both.namespace))
        assert sandbox == real, step


@pytest.mark.parametrize("kind", KINDS)
def test_bodies_that_are_not_new_objects(both: BothServers, kind: str) -> None:
    of_kind = JOB_KINDS[kind]
    made = {"name": "again"}
    steps = [
        post(of_kind, metadata=made),
        post(of_kind, metadata=made),
        post(of_kind, metadata={"name": "dry"}, apiVersion="v9"),
        post(of_kind, metadata={"name": "dry"}, kind="Other"),
        Step("POST", b'{"metadata":'),
        Step("POST", b""),
        Step("POST", b"{}", "text/plain"),
        Step("POST", post(of_kind, metadata={"name": "dry"}).body, query="?dryRun=All"),
        Step("POST", post(of_kind, metadata={"name": "dry"}).body, query="?dryRun=Maybe"),
    ]

    for step in steps:
        sandbox, real = both.answers(step, of_kind.path(both.namespace))
        assert sandbox == real, step


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_namespace(both: BothServers, kind: str) -> None:
    of_kind = JOB_KINDS[kind]
    path = of_kind.path("not-there")

    for step in (Step("GET"), post(of_kind)):
        sandbox, real = both.answers(step, path)
        assert sandbox == real, step


@pytest.mark.parametrize("kind", KINDS)
def test_updates(both: BothServers, kind: str) -> None:
    of_kind = JOB_KINDS[kind]
    subjects = both.object(of_kind, "updated")
    changes: list[dict[str, Any]] = [
        {"labels": {"new": "yes"}, "resourceVersion": "VERSION"},
        {"labels": {"newer": "yes"}, "resourceVersion": "STALE"},
        {"labels": {"newest": "yes"}, "resourceVersion": "VERSION", "uid": "other"},
        {"labels": {"a b": "yes"}, "resourceVersion": "VERSION"},
        {"labels": {"a": 5}, "resourceVersion": "VERSION"},
        {"name": "other", "resourceVersion": "VERSION"},
        {"resourceVersion": "VERSION"},
    ]

    for change in changes:
        sandbox, real = (subject.replace(change) for subject in subjects)
        assert sandbox == real, change


@pytest.mark.parametrize("kind", KINDS)
def test_deletions(both: BothServers, kind: str) -> None:
    of_kind = JOB_KINDS[kind]
    both.object(of_kind, "deleted")
    background = {"propagationPolicy": "Background"}
    bodies: list[Any] = [
        {**background, "preconditions": {"uid": "other"}},
        {**background, "preconditions": {"resourceVersion": "1"}},
        {**background, "dryRun": ["All"]},
        background,
        background,
    ]

    for body in bodies:
        for step in (Step("DELETE", body), Step("GET")):
            sandbox, real = both.answers(step, of_kind.path(both.namespace, "deleted"))
            assert sandbox == real, step


@pytest.mark.parametrize(
    "path",
    [
        "/apis/kubeflow.org/v1/foojobs",
        "/apis/kubeflow.org/v2/tfjobs",
        "/apis/nope.example.com/v1",
        "/apis/nope.example.com/v1/namespaces/a/nopes/b",
        "/apis/batch/v1/foojobs",
        "/apis/batch/v1/namespaces/a/foojobs/b",
        "/apis/batch/v1/namespaces/a/jobs/b/c",
        "/api/v1/foos",
    ],
)
@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_paths_that_are_not_served(both: BothServers, path: str, method: str) -> None:
    body: dict[str, Any] | None = None if method == "GET" else {}
    sandbox, real = both.answers(Step(method, body, MERGE), path)

    assert sandbox == real


@pytest.mark.parametrize("kind", KINDS)
def test_missing_objects(both: BothServers, kind: str) -> None:
    path = JOB_KINDS[kind].path(both.namespace, "absent")
    steps = [
        Step("GET"),
        Step("DELETE"),
        Step("PATCH", {}, MERGE),
        Step("PATCH", b"{", MERGE),
        Step("PATCH", {}, "text/plain"),
        Step("PATCH", {}, MERGE, "?dryRun=Maybe"),
    ]

    for step in steps:
        sandbox, real = both.answers(step, path)
        assert sandbox == real, step
