"""Campaigns on the sandbox as a server of Kubernetes 1.36, where its answers matter.

Covered: an atomic map that an apply replaces, nulls in an absent map, a list of a custom kind that
merges by its definition, discovery in one or two requests. Left out: other versions
(test_versions), what the sandbox answers (tests/differential).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool, plan

JOBS = "/apis/batch/v1/namespaces/default/jobs"
OTHERS = {"zone": "a", "disk": "ssd"}
POD = "spec.template.spec"
RULE = "requiredDuringSchedulingIgnoredDuringExecution"
SECRET = {"name": "s", "key": "k"}
BLOCK = {"kinds": ["jobs.batch"], "namespaces": ["default"], "selector": "app=etl"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SandboxServer]:
    with sandbox(Tool(tmp_path), jobs=10, namespaces=1) as served:
        # A suspended Job may still be moved to other nodes.
        pod = {"restartPolicy": "Never", "containers": [{"name": "a", "image": "a"}]}
        spec = {"suspend": True, "template": {"spec": {**pod, "nodeSelector": OTHERS}}}
        metadata = {"name": "etl", "labels": {"app": "etl"}}
        answer = served.client.request("POST", JOBS, {"metadata": metadata, "spec": spec})
        assert answer.status == 201, answer.body
        yield served


@pytest.fixture
def tool(tmp_path: Path, server: SandboxServer) -> Tool:
    return Tool(tmp_path, server.kubeconfig)


def template(server: SandboxServer) -> Any:
    return server.client.request("GET", f"{JOBS}/etl").body["spec"]["template"]


def test_undo_after_a_forced_apply_restores_every_key_of_an_atomic_map(
    tool: Tool, server: SandboxServer
) -> None:
    selector = {"spec": {"template": {"spec": {"nodeSelector": {"pool": "gpu"}}}}}
    patch = {"apply": selector, "force": True}
    file = tool.write("plan.yaml", plan("pool", BLOCK, patch=patch))

    preview = tool.run("plan", file, "-o", "json").json
    ended = tool.run("apply", "pool", "--yes", "-o", "json")

    (sample,) = preview["samples"]
    assert preview["undecided"] == []
    assert sample["before"] == {f"{POD}.nodeSelector": OTHERS}
    assert ended.json["outcomes"]["applied"] == 1, ended.err
    assert template(server)["spec"]["nodeSelector"] == {"pool": "gpu"}
    undone = tool.run("undo", "pool", "--yes", "-o", "json")
    assert undone.code == 0, undone.err
    assert template(server)["spec"]["nodeSelector"] == OTHERS


def required(key: str) -> dict[str, Any]:
    """An affinity to nodes with a label, of which the server replaces the terms as a whole."""
    terms = [{"matchExpressions": [{"key": key, "operator": "Exists"}]}]
    return {"nodeAffinity": {RULE: {"nodeSelectorTerms": terms}}}


@pytest.mark.parametrize(
    ("before", "changed", "after"),
    [
        (
            {"env": [{"name": "X", "valueFrom": {"secretKeyRef": {**SECRET, "optional": True}}}]},
            {"env": [{"name": "X", "valueFrom": {"secretKeyRef": {**SECRET, "key": "other"}}}]},
            {"env": [{"name": "X", "valueFrom": {"secretKeyRef": {**SECRET, "key": "other"}}}]},
        ),
        (
            {"lifecycle": {"preStop": {"exec": {"command": ["a", "b"]}}}},
            {"lifecycle": {"preStop": {"exec": {"command": ["c"]}}}},
            {"lifecycle": {"preStop": {"exec": {"command": ["c"]}}}},
        ),
    ],
    ids=["a map in a list", "a list in a list"],
)
def test_what_an_apply_replaces_within_a_list_is_shown_and_restored(
    tool: Tool, server: SandboxServer, before: Any, changed: Any, after: Any
) -> None:
    def pod(container: Any, **more: Any) -> Any:
        return {"spec": {"containers": [{"name": "main", **container}], **more}}

    templates = "/api/v1/namespaces/default/podtemplates"
    body = {
        "metadata": {"name": "one"},
        "template": pod({"image": "a", **before}, affinity=required("a")),
    }
    made = server.client.request("POST", templates, body)
    assert made.status == 201, made.body
    block = {"kinds": ["podtemplates"], "namespaces": ["default"], "names": ["one"]}
    patch = {"apply": {"template": pod(changed, affinity=required("b"))}, "force": True}
    file = tool.write("plan.yaml", plan("within", block, patch=patch))

    def stored() -> Any:
        return server.client.request("GET", f"{templates}/one").body["template"]["spec"]

    (sample,) = tool.run("plan", file, "-o", "json").json["samples"]
    ended = tool.run("apply", "within", "--yes", "-o", "json")

    assert ended.json["outcomes"]["applied"] == 1, ended.err
    (container,) = sample["after"]["template.spec.containers"]
    assert after.items() <= container.items()
    assert stored()["containers"] == [container]
    assert stored()["affinity"] == required("b")
    assert tool.run("undo", "within", "--yes").code == 0
    assert stored() == made.body["template"]["spec"]


@pytest.mark.parametrize(
    "body",
    [
        {"metadata": {"annotations": {"note": None}}},
        {"spec": {"volumes": [{"name": "absent", "$patch": "delete"}]}},
        {"spec": {"dnsConfig": {"$patch": "delete"}}},
        {"metadata": {"annotations": {"$patch": "replace"}}},
        {"spec": {"tolerations": None, "hostAliases": [{"ip": "10.0.0.1", "$patch": "delete"}]}},
    ],
    ids=["null", "delete", "map", "replace", "several"],
)
def test_a_deletion_in_what_is_absent_changes_nothing(
    tool: Tool, server: SandboxServer, body: Any
) -> None:
    before = template(server)
    patch = {"strategic": {"spec": {"template": body}}}
    file = tool.write("plan.yaml", plan("deletion", BLOCK, patch=patch))

    ended = tool.run("apply", file, "--yes", "-o", "json")

    assert ended.code == 0, ended.err
    assert ended.json["outcomes"]["unchanged"] == 1
    assert template(server) == before


@pytest.mark.parametrize(("kinds", "requests"), [(["jobs.batch"], 1), (["tfjobs"], 2)])
def test_the_start_of_a_run_needs_one_request_or_two_for_discovery(
    tool: Tool, server: SandboxServer, kinds: list[str], requests: int
) -> None:
    patch = {"labels": {"team": "red"}}
    file = tool.write("plan.yaml", plan("start", {"kinds": kinds, "selector": "app"}, patch=patch))

    assert tool.run("plan", file).code == 0

    counters = server.client.request("GET", "/_sandbox/counters").body
    assert counters["requests"]["other"] == requests


def test_an_apply_merges_the_list_of_a_custom_kind_by_its_definition(
    tool: Tool, server: SandboxServer
) -> None:
    path = "/apis/jobset.x-k8s.io/v1alpha2/namespaces/default/jobsets"
    jobs: list[dict[str, Any]] = [
        {"name": name, "replicas": 1, "dependsOn": []} for name in ("driver", "workers")
    ]
    made = {"metadata": {"name": "train"}, "spec": {"replicatedJobs": jobs, "network": {"a": 1}}}
    assert server.client.request("POST", path, made).status == 201
    spec = {"replicatedJobs": [{"name": "workers", "replicas": 4}], "network": {"b": 2}}
    block = {"kinds": ["jobsets.jobset.x-k8s.io"], "names": ["train"], "namespaces": ["default"]}
    patch = {"apply": {"spec": spec}, "force": True}
    file = tool.write("plan.yaml", plan("scale", block, patch=patch))

    def stored() -> Any:
        return server.client.request("GET", f"{path}/train").body["spec"]

    before = stored()
    preview = tool.run("plan", file, "-o", "json").json
    ended = tool.run("apply", "scale", "--yes", "-o", "json")

    (sample,) = preview["samples"]
    assert preview["undecided"] == []
    assert sample["after"] == {
        "spec.network.b": 2,
        "spec.replicatedJobs": [jobs[0], {**jobs[1], "replicas": 4}],
    }
    assert ended.json["outcomes"]["applied"] == 1, ended.err
    assert stored() == {**before, "network": {"a": 1, "b": 2}, **spec_of(sample)}
    assert tool.run("undo", "scale", "--yes").code == 0
    assert stored() == before


def spec_of(sample: Any) -> dict[str, Any]:
    return {"replicatedJobs": sample["after"]["spec.replicatedJobs"]}
