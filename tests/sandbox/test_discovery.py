"""The discovery documents of the sandbox, compared with those of a real server.

Covered: the aggregated form of Kubernetes 1.36 (tests/recorded), which clients get which form, the
version, and that fleetpatch finds the same kinds in both forms. Left out: verbs and kinds that the
sandbox does not serve.
"""

import json
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleetpatch.kube.http.requests import GET_DISCOVERY
from tests.sandbox.serving import SandboxThread

RECORDED = Path(__file__).parents[1] / "recorded" / "kubernetes-1.36-discovery.json.xz"
UNRECORDED = ("coordination.k8s.io", "jobset.x-k8s.io")
ACCEPT = GET_DISCOVERY.headers["Accept"]


def described(document: Any) -> Iterator[tuple[tuple[str, str], Any]]:
    """The resources of a document by group and name, as far as the sandbox has to agree."""
    for group in document["items"]:
        for version in group["versions"]:
            for resource in version["resources"]:
                kept = ("responseKind", "scope", "singularResource", "shortNames")
                fields = {field: resource[field] for field in kept if field in resource}
                name = group["metadata"].get("name", ""), resource["resource"]
                yield name, {**fields, "version": version["version"]}


@pytest.mark.parametrize("path", ["/apis", "/api"])
def test_the_groups_are_described_as_by_a_real_server(running: SandboxThread, path: str) -> None:
    recorded = dict(described(json.loads(lzma.decompress(RECORDED.read_bytes()))[path]))

    answer = running.client.request("GET", path, headers={"Accept": ACCEPT})

    served = dict(described(answer.body))
    assert answer.headers["Content-Type"] == (
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    )
    known = {name: fields for name, fields in served.items() if name[0] not in UNRECORDED}
    assert {name: recorded.get(name) for name in known} == known
    assert len(known) == {"/apis": 7, "/api": 3}[path]


def test_other_clients_get_the_plain_list(running: SandboxThread) -> None:
    for accept in ("application/json", "*/*"):
        answer = running.client.request("GET", "/apis", headers={"Accept": accept})
        assert answer.body["kind"] == "APIGroupList"


def test_an_old_server_sends_the_plain_list_to_every_client(running_1_20: SandboxThread) -> None:
    answer = running_1_20.client.request("GET", "/apis", headers={"Accept": ACCEPT})

    assert answer.body["kind"] == "APIGroupList"


def test_the_version_is_that_of_the_option(
    running: SandboxThread, running_1_20: SandboxThread
) -> None:
    def served(sandbox: SandboxThread) -> str:
        return str(sandbox.client.request("GET", "/version").body["gitVersion"])

    assert served(running) == "v1.36.2"
    assert served(running_1_20) == "v1.20.2"


@pytest.mark.parametrize("values", ["b,,", "b,,,", ",,"])
def test_a_current_server_takes_empty_values_at_the_end_of_a_set(
    running: SandboxThread, running_1_20: SandboxThread, values: str
) -> None:
    path = f"/apis/batch/v1/jobs?labelSelector=app+in+({values})"

    assert running.client.request("GET", path).status == 200
    assert running_1_20.client.request("GET", path).status == (200 if values == "b,,," else 400)


def test_a_current_server_publishes_how_its_kinds_merge(
    running: SandboxThread, running_1_20: SandboxThread
) -> None:
    path = "/openapi/v3/apis/batch/v1"

    schemas = running.client.request("GET", path).body["components"]["schemas"]

    pod = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]
    assert pod["nodeSelector"]["x-kubernetes-map-type"] == "atomic"
    assert pod["containers"]["x-kubernetes-patch-merge-key"] == "name"
    assert running_1_20.client.request("GET", path).status == 404
