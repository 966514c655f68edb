"""Discovery on servers that send all groups in one document (Kubernetes 1.26 and later).

Covered: the recorded answers of a real server (tests/recorded), the number of requests, stale
groups, gateways that answer only one of the paths, damaged documents. Left out: servers without it
(test_discovery).
"""

import json
import lzma
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from fleetpatch.campaign.targets import kinds_of
from fleetpatch.errors import ClusterError
from fleetpatch.kube.discovery import aggregated
from fleetpatch.kube.discovery.documents import CORE, GroupVersion
from tests.kube.peers import Act, Answers, Request, http, opened, status

RECORDED: Final = Path(__file__).parents[1] / "recorded/kubernetes-1.36-discovery.json.xz"
DOCUMENTS: Final[Mapping[str, Any]] = json.loads(lzma.decompress(RECORDED.read_bytes()))


def answers(**changed: bytes | Act) -> Answers:
    """Serve the recorded documents, with other answers for `apis`, `api` or `v1`."""

    def answer(request: Request) -> bytes | Act:
        name = request.path.rpartition("/")[2]
        return changed[name] if name in changed else http(200, DOCUMENTS[request.path])

    return answer


def document(*versions: Any, group: str = "batch", **more: Any) -> dict[str, Any]:
    """An APIGroupDiscoveryList of one group."""
    group_entry = {"metadata": {"name": group}, "versions": list(versions)}
    return {"kind": "APIGroupDiscoveryList", "items": [group_entry]} | more


JOBS: Final[Mapping[str, Any]] = {
    "resource": "jobs",
    "responseKind": {"kind": "Job"},
    "scope": "Namespaced",
    "verbs": ["list", "patch"],
}


async def test_two_requests_discover_every_kind() -> None:
    async with opened(answers()) as (api, peer):
        resources = await api.resources()

    assert [request.path for request in peer.requests] == ["/apis", "/api"]
    assert api.requests["get"] == 2
    assert api.unavailable == {}
    found = {(one.api_version, one.plural): one for one in resources}
    assert {
        ("v1", "pods"),
        ("batch/v1", "jobs"),
        ("batch/v1", "cronjobs"),
        ("batch.volcano.sh/v1alpha1", "jobs"),
        ("kubeflow.org/v1", "tfjobs"),
    } <= found.keys()
    assert found["v1", "pods"].short_names == ("po",)
    assert found["v1", "namespaces"].namespaced is False
    # It can be created only.
    assert ("v1", "bindings") not in found


async def test_kinds_that_name_their_groups_need_one_request() -> None:
    async with opened(answers()) as (api, peer):
        kinds = await kinds_of(api, ["jobs.batch", "tfjobs.kubeflow.org"])

    assert [request.path for request in peer.requests] == ["/apis"]
    assert [kind.kind for kind in kinds.values()] == ["Job", "TFJob"]


async def test_the_plain_list_is_asked_for_as_the_last_choice() -> None:
    async with opened(answers()) as (api, peer):
        await api.resources()

    forms = peer.requests[0].headers["accept"].split(",")
    assert [form.partition(";")[2] for form in forms] == [
        "g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        "g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
        "",
    ]


async def test_a_stale_group_is_unavailable() -> None:
    stale = document({"version": "v1", "freshness": "Stale", "resources": [JOBS]}, group="gone.io")

    async with opened(answers(apis=http(200, stale))) as (api, _peer):
        resources = await api.resources()
        with pytest.raises(ClusterError, match=r"gone\.io/v1: .*does not answer"):
            await kinds_of(api, ["jobs"])

    assert list(api.unavailable) == ["gone.io/v1"]
    assert {one.group for one in resources} == {""}


async def test_a_stale_group_that_was_not_asked_for_does_not_matter() -> None:
    both = document({"version": "v1", "resources": [JOBS]})
    gone = document({"version": "v1", "freshness": "Stale"}, group="gone.io")
    both["items"] += gone["items"]

    async with opened(answers(apis=http(200, both))) as (api, _peer):
        assert list(await kinds_of(api, ["jobs.batch"])) == ["jobs.batch"]
        assert api.unavailable == {}


@pytest.mark.parametrize("failure", [status(503), status(403, "Forbidden"), Act.RESET])
async def test_a_core_group_that_fails_does_not_affect_the_others(failure: bytes | Act) -> None:
    async with opened(answers(api=failure)) as (api, _peer):
        resources = await api.resources()

    assert list(api.unavailable) == ["v1"]
    assert "batch" in {one.group for one in resources}


async def test_a_gateway_may_answer_for_the_core_group_in_the_old_form() -> None:
    pods = {"name": "pods", "kind": "Pod", "namespaced": True, "verbs": ["list", "patch"]}
    old = answers(api=http(200, {"versions": ["v1"]}), v1=http(200, {"resources": [pods]}))

    async with opened(old) as (api, peer):
        resources = await api.resources()

    assert [request.path for request in peer.requests] == ["/apis", "/api", "/api/v1"]
    assert "pods" in {one.plural for one in resources if one.api_version == "v1"}


def test_versions_stay_in_the_servers_order() -> None:
    versions = [{"version": name, "resources": [JOBS]} for name in ("v2", "v1", "v1beta1")]
    served = aggregated.served(json.dumps(document(*versions)).encode())

    assert served is not None
    assert [str(version) for version in served.resources] == [
        "batch/v2",
        "batch/v1",
        "batch/v1beta1",
    ]


def test_null_and_nameless_entries_are_left_out() -> None:
    unnamed = [None, {}, {**JOBS, "responseKind": None}, {**JOBS, "resource": None}]
    versions = [None, {}, {"version": "v1", "resources": [*unnamed, JOBS]}]
    damaged = document(*versions)
    damaged["items"] += [None, {}, {"metadata": None, "versions": [{"version": "v1"}]}]
    served = aggregated.served(json.dumps(damaged).encode())

    assert served is not None
    assert list(served.resources) == [GroupVersion("batch", "v1"), CORE]
    [job] = served.resources[GroupVersion("batch", "v1")]
    assert (job.plural, job.kind, job.singular, job.namespaced) == ("jobs", "Job", "job", True)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"<html>",
        json.dumps({"kind": "APIGroupList", "groups": []}).encode(),
        json.dumps({"kind": "APIGroupDiscoveryList", "items": 5}).encode(),
        json.dumps(document({"version": 5})).encode(),
    ],
)
def test_other_documents_are_not_of_this_form(body: bytes) -> None:
    assert aggregated.served(body) is None


async def test_a_damaged_document_is_an_error() -> None:
    damaged = http(200, document({"version": 5}))

    async with opened(answers(apis=damaged)) as (api, _peer):
        with pytest.raises(ClusterError, match="not a Kubernetes API; check the address"):
            await api.resources()
