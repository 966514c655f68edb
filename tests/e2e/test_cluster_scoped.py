"""Kinds without namespaces, on a real API server.

Covered: objects of a built-in and of the core group are planned, patched and put back; namespaces
for them are refused. Left out: where a refusal is placed (tests/model/plan/test_discovered_kinds).
"""

import secrets

import pytest

from tests.control_plane import ControlPlane
from tests.e2e.fleets import snapshot
from tests.e2e.tool import Tool

pytestmark = pytest.mark.control_plane

NAMESPACES = "/api/v1/namespaces"
ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
KINDS = [("namespaces", NAMESPACES), ("clusterroles.rbac.authorization.k8s.io", ROLES)]


@pytest.fixture
def group(control_plane: ControlPlane, tool: Tool) -> str:
    """The value of a label that two namespaces and two cluster roles have."""
    assert tool.kubeconfig is not None
    control_plane.kubeconfig(tool.kubeconfig)
    group = f"scoped-{secrets.token_hex(4)}"
    for path in (NAMESPACES, ROLES):
        for number in range(2):
            metadata = {"name": f"{group}-{number}", "labels": {"group": group}}
            assert control_plane.request("POST", path, {"metadata": metadata}).status == 201
    return group


def labels(control_plane: ControlPlane, path: str, group: str) -> list[str | None]:
    """Return the label `team` of the two objects."""
    found = [control_plane.request("GET", f"{path}/{group}-{number}") for number in range(2)]
    return [one.body["metadata"]["labels"].get("team") for one in found]


@pytest.mark.parametrize(("kind", "path"), KINDS)
def test_cluster_scoped_objects_are_patched_and_put_back(
    control_plane: ControlPlane, tool: Tool, group: str, kind: str, path: str
) -> None:
    ended = tool.run("label", kind, "team=red", "-A", "-l", f"group={group}", "-y", "-o", "json")

    assert ended.code == 0, ended.err
    assert ended.json["reasons"] == {"applied": {"patched": 2}}
    assert labels(control_plane, path, group) == ["red", "red"]
    undone = tool.run("undo", ended.json["run"], "-y", "-o", "json")
    assert undone.code == 0, undone.err
    assert labels(control_plane, path, group) == [None, None]


def test_the_preview_names_an_object_without_a_slash(
    control_plane: ControlPlane, tool: Tool, group: str
) -> None:
    words = ("label", "namespaces", "team=red", "-A", "-l", f"group={group}")

    ended = tool.run(*words, "--dry-run=client")

    assert ended.code == 0, ended.err
    assert f" namespaces {group}-0\n" in ended.out
    assert labels(control_plane, NAMESPACES, group) == [None, None]


@pytest.mark.parametrize(("kind", "path"), KINDS)
@pytest.mark.parametrize("where", ["default", "team-*", "!default"])
def test_namespaces_for_a_cluster_scoped_kind_are_refused_and_nothing_is_sent(
    control_plane: ControlPlane, tool: Tool, group: str, kind: str, path: str, where: str
) -> None:
    ended = tool.run("label", kind, "team=red", "-n", where, "-l", f"group={group}", "-y")

    assert (ended.code, ended.out) == (2, "")
    assert f"{kind} are cluster-scoped, and namespaces cannot choose among them" in ended.err
    assert "(-A)" in ended.err
    assert labels(control_plane, path, group) == [None, None]


def test_a_field_selector_alone_selects(control_plane: ControlPlane, tool: Tool) -> None:
    assert tool.kubeconfig is not None
    control_plane.kubeconfig(tool.kubeconfig)
    space = control_plane.namespace()
    control_plane.create_jobs(3, space)
    (_, _, name), *_ = sorted(snapshot(control_plane, [space]))

    ended = tool.run(
        *("label", "jobs.batch", "team=red", "-n", space),
        *("--field-selector", f"metadata.name={name}", "-y", "-o", "json"),
    )

    assert ended.code == 0, ended.err
    assert ended.json["targets"] == 1
