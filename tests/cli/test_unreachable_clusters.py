"""A cluster that cannot be reached when a plan is expanded.

Covered: `guards.onUnreachable`, with one, all and the first cluster gone; what plan, apply, status
and log say; undo, and the plan applied again. Left out: a cluster that is lost while a run is
carried out (tests/e2e/test_many_clusters.py).
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.calling import Caller
from tests.cli.conftest import marking
from tests.control_plane.processes import free_ports
from tests.e2e.sandboxes import SandboxServer
from tests.e2e.tool import Tool

JOBS = 20
"""Jobs of the sandbox with the label app=etl."""
LOST = "(http://127.0.0.1:"


@pytest.fixture
def fleet(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> Tool:
    """Contexts here, which is the sandbox, and gone and lost, where nothing listens."""
    assert tool.kubeconfig is not None
    config = json.loads(tool.kubeconfig.read_text())
    user = config["users"][0]["name"]
    names = ("gone", "lost")
    for name, port in zip(names, free_ports(len(names)), strict=True):
        config["clusters"].append({"name": name, "cluster": {"server": f"http://127.0.0.1:{port}"}})
        config["contexts"].append({"name": name, "context": {"cluster": name, "user": user}})
    config["contexts"].append({**config["contexts"][0], "name": "here"})
    file = tool.folder / "fleet.kubeconfig"
    file.write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(file))
    return tool


def over(name: str, *contexts: str, **more: Any) -> dict[str, Any]:
    entries = [{"name": one, "context": one} for one in contexts]
    return marking(name, fleet=entries, **more)


SKIP = {"guards": {"onUnreachable": "skip"}}


def test_by_default_the_plan_is_refused_and_the_cluster_named(
    call: Caller, fleet: Tool, server: SandboxServer
) -> None:
    sent = server.sent()

    ended = call("apply", fleet.write("plan.yaml", over("strict", "here", "gone")), "--yes")

    assert ended.code == 1
    assert f"cluster gone {LOST}" in ended.err
    assert "guards.onUnreachable: skip plans the others" in ended.err
    assert (server.sent(), list(fleet.state.rglob("*.run"))) == (sent, [])


def test_with_skip_the_others_are_changed_and_the_exit_code_is_3(call: Caller, fleet: Tool) -> None:
    file = fleet.write("plan.yaml", over("lenient", "here", "gone", **SKIP))

    ended = call("apply", file, "--yes", "-o", "json")

    assert (ended.code, ended.json["state"]) == (3, "finished"), ended.err
    assert ended.json["causeCode"] == "clusters-missing"
    assert ended.json["outcomes"]["applied"] == ended.json["targets"] == JOBS
    assert list(ended.json["missingClusters"]) == ["gone"]
    assert "nothing matches" not in ended.err
    assert "Connection refused" in ended.json["missingClusters"]["gone"]


def test_preview_status_and_log_name_the_missing_cluster(call: Caller, fleet: Tool) -> None:
    file = fleet.write("plan.yaml", over("named", "here", "gone", **SKIP))

    planned = call("plan", file)
    ended = call("apply", file, "--yes", "-o", "json").json

    assert f"Missing  gone: cluster gone {LOST}" in planned.out
    assert f"Missing:  gone: cluster gone {LOST}" in call("status", ended["run"]).out
    assert "cluster gone was left out" in call("status", ended["run"]).out
    log = Path(ended["runFile"]).with_suffix(".jsonl").read_text().splitlines()
    assert list(json.loads(log[0])["missing"]) == ["gone"]


def test_where_no_cluster_can_be_reached_the_plan_is_refused(call: Caller, fleet: Tool) -> None:
    file = fleet.write("plan.yaml", over("alone", "gone", "lost", **SKIP))

    ended = call("apply", file, "--yes", "-o", "json")

    assert (ended.code, ended.json["causeCode"]) == (1, "unreachable")
    assert list(fleet.state.rglob("*.run")) == []


def test_the_cluster_of_the_lease_is_never_left_out(call: Caller, fleet: Tool) -> None:
    lock = {"lock": {"lease": "default/leased"}}
    file = fleet.write("plan.yaml", over("leased", "gone", "here", **SKIP, **lock))

    ended = call("apply", file, "--yes")

    assert ended.code == 1
    assert "the plan's Lease is in this cluster" in ended.err


def test_a_cluster_that_refuses_the_credentials_is_not_left_out(
    call: Caller, fleet: Tool, server: SandboxServer
) -> None:
    file = fleet.folder / "fleet.kubeconfig"
    config = json.loads(file.read_text())
    config["clusters"].append({"name": "shut", "cluster": {"server": server.server}})
    config["users"].append({"name": "nobody", "user": {"token": "wrong"}})
    config["contexts"].append({"name": "shut", "context": {"cluster": "shut", "user": "nobody"}})
    file.write_text(json.dumps(config))
    document = over("shut", "here", "shut", **SKIP)

    ended = call("apply", fleet.write("plan.yaml", document), "--yes", "-o", "json")

    assert (ended.code, ended.json["causeCode"]) == (1, "credentials-refused")


def test_an_undo_is_not_short_of_what_its_run_left_out(call: Caller, fleet: Tool) -> None:
    file = fleet.write("plan.yaml", over("undone", "here", "gone", **SKIP))
    assert call("apply", file, "--yes").code == 3

    ended = call("undo", "undone", "--yes", "-o", "json")

    assert (ended.code, ended.json["causeCode"]) == (0, ""), ended.err
    assert ended.json["outcomes"]["applied"] == JOBS


def test_the_next_call_plans_all_clusters_again(call: Caller, fleet: Tool) -> None:
    file = fleet.write("plan.yaml", over("nightly", "here", "gone", **SKIP))
    first = call("apply", file, "--yes", "-o", "json").json

    second = call("apply", file, "--yes", "-o", "json")

    assert second.code == 3
    assert second.json["run"] != first["run"]
    assert second.json["outcomes"]["unchanged"] == JOBS
