"""GET, LIST, discovery and access on the sandbox.

Covers pages and their tokens, selectors, metadata-only answers, both forms of a 404, tokens of
users. Left out: that kubectl can use it (test_clients), and that a real server answers the same
(tests/differential).
"""

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from fleetpatch.sandbox.apiserver.access import GUEST
from fleetpatch.sandbox.server import SandboxOptions
from tests.sandbox.objects import BATCH, KIND_NAMES, METADATA_LIST, NAMESPACE, TENSORFLOW, create
from tests.sandbox.serving import SandboxThread

ALL = "/apis/batch/v1/jobs"


def pages(running: SandboxThread, path: str, query: str, limit: int) -> Iterator[Any]:
    token = ""
    while True:
        url = f"{path}?limit={limit}&{query}&continue={token}"
        page = running.client.request("GET", url, headers={"Accept": METADATA_LIST}).body
        yield page
        token = page["metadata"].get("continue", "")
        if not token:
            return


def keys(page: Any) -> list[str]:
    found = [item["metadata"] for item in page["items"] or ()]
    return [f"{metadata['namespace']}/{metadata['name']}" for metadata in found]


@pytest.mark.parametrize("limit", [1, 5, 12, 13, 500])
@pytest.mark.parametrize("query", ["", "labelSelector=app%3Detl", "labelSelector=nope"])
def test_pages_contain_each_object_once_and_in_order(
    running: SandboxThread, limit: int, query: str
) -> None:
    whole = keys(running.client.request("GET", f"{ALL}?{query}").body)

    found = [key for page in pages(running, ALL, query, limit) for key in keys(page)]

    assert found == whole == sorted(set(whole))


def test_a_list_of_a_namespace_has_only_its_objects(running: SandboxThread) -> None:
    create(running, "one")
    create(running, "two")

    [first, second] = pages(running, BATCH.path(NAMESPACE), "", 1)

    assert keys(first) + keys(second) == [f"{NAMESPACE}/one", f"{NAMESPACE}/two"]


def test_remaining_objects_are_counted_only_without_a_selector(running: SandboxThread) -> None:
    counted = running.client.request("GET", f"{ALL}?limit=5").body["metadata"]
    selected = running.client.request("GET", f"{ALL}?limit=1&labelSelector=app").body["metadata"]

    assert counted["remainingItemCount"] == 12 - 5
    assert "remainingItemCount" not in selected


def test_an_empty_list_is_null_for_metadata_only(running: SandboxThread) -> None:
    path = f"{ALL}?labelSelector=nope"

    assert running.client.request("GET", path).body["items"] == []
    partial = running.client.request("GET", path, headers={"Accept": METADATA_LIST})
    assert partial.body["items"] is None


def test_an_expired_token_is_answered_with_one_that_continues(running: SandboxThread) -> None:
    whole = keys(running.client.request("GET", ALL).body)
    first = running.client.request("GET", f"{ALL}?limit=5").body
    running.client.request("POST", "/_sandbox/compact")

    token = first["metadata"]["continue"]
    expired = running.client.request("GET", f"{ALL}?limit=5&continue={token}")
    token = expired.body["metadata"]["continue"]
    rest = running.client.request("GET", f"{ALL}?continue={token}")

    assert (expired.status, expired.body["reason"]) == (410, "Expired")
    assert keys(first) + keys(rest.body) == whole


def test_a_token_has_the_format_of_the_real_server(running: SandboxThread) -> None:
    page = running.client.request("GET", f"{ALL}?limit=1").body
    token = page["metadata"]["continue"]

    content = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))

    assert content["v"] == "meta.k8s.io/v1"
    assert str(content["rv"]) == page["metadata"]["resourceVersion"]
    assert content["start"] == keys(page)[0] + "\0"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("continue=garbage", "invalid continue token: "),
        ("continue=e30", "invalid continue token: "),
        ("labelSelector=a,,b", "unable to parse requirement: "),
        ("labelSelector=a+gt+5", "unable to parse requirement: "),
        ("fieldSelector=spec.foo%3D1", 'field label "spec.foo" not supported'),
        ("limit=many", 'parsing "many"'),
        ("watch=true", "does not support watches"),
    ],
)
def test_invalid_queries_are_refused(running: SandboxThread, query: str, words: str) -> None:
    refused = running.client.request("GET", f"{ALL}?{query}")

    assert (refused.status, refused.body["reason"]) == (400, "BadRequest")
    assert words in refused.body["message"]


def test_field_selectors_select_objects(running: SandboxThread) -> None:
    create(running, "one")
    create(running, "two")
    path = BATCH.path(NAMESPACE)

    def names(selector: str) -> list[str]:
        listed = running.client.request("GET", f"{path}?fieldSelector={quote(selector)}")
        return [item["metadata"]["name"] for item in listed.body["items"]]

    assert names("metadata.name=one") == ["one"]
    assert names("metadata.name!=one") == ["two"]
    assert names("status.successful=0") == ["one", "two"]
    assert names(f"metadata.namespace={NAMESPACE},metadata.name=two") == ["two"]


@pytest.mark.parametrize(
    "path",
    [
        "/apis/nope.example.com/v1",
        "/apis/kubeflow.org/v1/foojobs",
        "/apis/kubeflow.org/v2/tfjobs",
        "/nope",
    ],
)
def test_a_path_that_is_not_served_is_a_plain_404(running: SandboxThread, path: str) -> None:
    missing = running.client.request("GET", path)

    assert (missing.status, missing.body) == (404, "404 page not found\n")


def test_a_built_in_group_without_the_kind_is_a_status(running: SandboxThread) -> None:
    missing = running.client.request("GET", "/apis/batch/v1/cronbooks")

    assert (missing.status, missing.body["reason"]) == (404, "NotFound")


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_discovery_leads_to_the_kind(running: SandboxThread, kind: str) -> None:
    plural, _, group = kind.partition(".")
    groups = running.client.request("GET", "/apis").body["groups"]
    [version] = [each["preferredVersion"] for each in groups if each["name"] == group]

    listed = running.client.request("GET", f"/apis/{version['groupVersion']}").body["resources"]

    [resource] = [each for each in listed if each["name"] == plural]
    assert {"get", "list", "patch"} <= set(resource["verbs"])


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/livez", "/version", "/api", "/"])
def test_a_server_answers_for_itself(running: SandboxThread, path: str) -> None:
    assert running.client.request("GET", path).status == 200


def test_namespaces_are_listed(running: SandboxThread) -> None:
    items = running.client.request("GET", "/api/v1/namespaces").body["items"]

    names = [item["metadata"]["name"] for item in items]
    assert names == [
        "default",
        "platform",
        "team-etl-01",
        "team-legacy",
        "team-serve-01",
        "team-train-01",
    ]
    assert running.client.request("GET", "/api/v1/namespaces/team-legacy").status == 200


@pytest.mark.parametrize("token", ["wrong", ""])
def test_an_unknown_user_is_refused(token: str) -> None:
    with SandboxThread(SandboxOptions(jobs=0, anonymous=False)) as running:
        refused = running.client.request("GET", ALL, token=token)

    assert (refused.status, refused.body["reason"]) == (401, "Unauthorized")


def test_a_guest_may_only_read_discovery(running: SandboxThread) -> None:
    token = running.sandbox.token(GUEST)

    refused = running.client.request("GET", ALL, token=token)

    assert running.client.request("GET", "/apis", token=token).status == 200
    assert (refused.status, refused.body["reason"]) == (403, "Forbidden")
    assert refused.body["message"] == (
        'jobs.batch is forbidden: User "guest" cannot list resource "jobs" in API group "batch"'
        " at the cluster scope"
    )


def test_an_object_is_read_by_name(running: SandboxThread) -> None:
    path = create(running, "one", kind="tfjobs.kubeflow.org")

    assert running.client.request("GET", path).body["kind"] == "TFJob"
    assert running.client.request("GET", f"{path}/status").status == 200
    missing = running.client.request("GET", TENSORFLOW.path(NAMESPACE, "two"))
    assert missing.body["details"] == {"name": "two", "group": "kubeflow.org", "kind": "tfjobs"}


def test_a_page_that_no_client_reads_is_not_acceptable(running: SandboxThread) -> None:
    assert running.client.request("GET", ALL, headers={"Accept": "text/html"}).status == 406
