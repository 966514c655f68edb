"""`fleetpatch rbac` on the command line.

Covered: what is printed and requested, clusters that need different rights, wrong words. Left out:
whether the rights are enough (tests/e2e/test_rights.py).
"""

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.cli.calling import Caller
from tests.cli.conftest import ETL
from tests.e2e.tool import Tool, plan


@pytest.fixture
def fleet(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A plan with a Lease for two clusters, which need different rights."""
    assert tool.kubeconfig is not None
    config = json.loads(tool.kubeconfig.read_text())
    config["contexts"] = [{**config["contexts"][0], "name": name} for name in ("north", "south")]
    monkeypatch.setenv("KUBECONFIG", str(tool.write("two.kubeconfig", config)))
    document = plan(
        "two",
        ETL,
        patch={"labels": {"two": "yes"}},
        fleet=[{"name": name, "context": name} for name in ("north", "south")],
        lock={"lease": "ops/nightly"},
    )
    return tool.write("plan.yaml", document)


def kinds_of(printed: str) -> list[Any]:
    return [one["kind"] for one in YAML(typ="safe").load_all(printed)]


def test_clusters_that_need_different_rights_are_selected(call: Caller, fleet: Path) -> None:
    ended = call("rbac", fleet)

    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "fleetpatch: the clusters of two need different rights; repeat with --cluster and one of"
        " north, south\n"
    )
    assert kinds_of(call("rbac", fleet, "--cluster", "north").out) == ["ClusterRole", "Role"]
    assert kinds_of(call("rbac", fleet, "--cluster", "south").out) == ["ClusterRole"]


def test_a_cluster_that_the_fleet_does_not_have_is_refused(call: Caller, fleet: Path) -> None:
    ended = call("rbac", fleet, "--cluster", "west")

    assert ended.code == 2
    assert "'west' is not a cluster of two; it has north, south" in ended.err


def test_kinds_that_are_not_served_are_refused_with_their_place(call: Caller, tool: Tool) -> None:
    document = plan("odd", {**ETL, "kinds": ["tfjobz"]}, patch={"labels": {"odd": "yes"}})
    ended = call("rbac", tool.write("plan.yaml", document))

    assert (ended.code, ended.out) == (2, "")
    assert "plan.yaml:" in ended.err
    assert "tfjobz" in ended.err


def test_an_account_without_a_namespace_is_refused(call: Caller, fleet: Path) -> None:
    ended = call("rbac", fleet, "--service-account", "runner")

    assert ended.code == 2
    assert "'runner' has no namespace; write NAMESPACE/NAME" in ended.err


def test_an_expression_over_the_namespace_needs_the_right_to_list_namespaces(
    call: Caller, tool: Tool
) -> None:
    tier = {"cel": "namespaceObject.metadata.?labels['tier']"}

    with_it = call("rbac", tool.write("a.yaml", plan("a", ETL, patch={"labels": {"tier": tier}})))
    without = call("rbac", tool.write("b.yaml", plan("b", ETL, patch={"labels": {"tier": "x"}})))

    assert (
        "# expressions: list reads the namespaces of the objects (namespaceObject)" in with_it.out
    )
    assert 'resources: ["namespaces"]' not in without.out
