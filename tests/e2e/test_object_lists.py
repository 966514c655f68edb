"""Blocks that list their objects by name, as whole runs on a sandbox.

Covered: few names read by name and many by a list, entries of one cluster, what is not found, and
`guards.onEmpty`. Left out: how a list is written (tests/model/plan/test_objects.py).
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleetpatch.engine import survey
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool, plan

JOBS = "/apis/batch/v1/jobs"
FILE = "ticket-4711.txt"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SandboxServer]:
    """A sandbox of 300 jobs, 60 of them batch Jobs in three namespaces."""
    with sandbox(Tool(tmp_path), jobs=300, namespaces=3) as served:
        yield served


@pytest.fixture
def tool(tmp_path: Path, server: SandboxServer) -> Tool:
    return Tool(tmp_path, server.kubeconfig)


def jobs(server: SandboxServer) -> list[str]:
    """Return the batch Jobs as `namespace/name`."""
    items = server.client.request("GET", JOBS).body["items"]
    return [f"{one['metadata']['namespace']}/{one['metadata']['name']}" for one in items]


def labelled(server: SandboxServer) -> set[str]:
    """Return the Jobs that have the label of the plan."""
    items = server.client.request("GET", f"{JOBS}?labelSelector=ticket").body["items"]
    return {f"{one['metadata']['namespace']}/{one['metadata']['name']}" for one in items}


def listing(tool: Tool, lines: list[str], block: Any = None, **more: Any) -> Path:
    tool.write(FILE, "".join(f"{line}\n" for line in lines))
    listed = {"kinds": ["jobs.batch"], "objects": {"file": FILE}, **(block or {})}
    patch = {"labels": {"ticket": "OPS-4711"}}
    return tool.write("plan.yaml", plan("ticket", listed, patch=patch, **more))


def test_a_few_listed_objects_are_read_by_name_and_changed(
    tool: Tool, server: SandboxServer
) -> None:
    wanted = jobs(server)[:5]
    file = listing(tool, ["# from OPS-4711", "", *wanted])
    before = server.requests("list")

    ended = tool.run("apply", file, "--yes", "-o", "json")

    assert ended.code == 0, ended.err
    assert ended.json["outcomes"]["applied"] == 5
    assert labelled(server) == set(wanted)
    assert ended.json["requests"]["list"] == 5
    assert server.requests("list") - before <= 6
    sent = server.sent()
    assert tool.run("apply", file, "--yes").code == 0
    assert server.sent() == sent
    assert tool.run("undo", ended.json["runFile"], "--yes").code == 0
    assert labelled(server) == set()


def test_many_listed_objects_are_read_by_a_list_of_their_namespace(
    tool: Tool, server: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "MAX_LISTED_BY_NAME", 3)
    wanted = [one for one in jobs(server) if one.startswith("platform/")]
    assert len(wanted) > 4
    file = listing(tool, wanted[1:])

    ended = tool.run("apply", file, "--yes", "-o", "json")

    assert ended.code == 0, ended.err
    assert ended.json["requests"]["list"] == 1
    assert labelled(server) == set(wanted[1:])


def test_what_is_not_found_is_skipped_as_gone_with_its_line(
    tool: Tool, server: SandboxServer
) -> None:
    wanted = jobs(server)[:2]
    file = listing(tool, [wanted[0], "platform/nothing", "no-such-space/etl-1", wanted[1]])

    ended = tool.run("apply", file, "--yes", "-o", "json")

    assert ended.code == 0, ended.err
    assert ended.json["outcomes"] == {
        "applied": 2,
        "unchanged": 0,
        "skipped": 2,
        "failed": 0,
        "pending": 0,
    }
    assert ended.json["reasons"]["skipped"] == {"gone": 2}
    planned = tool.run("plan", file)
    assert "2 objects cannot be patched: they do not exist" in planned.out
    assert "put back" not in planned.out
    missing = tool.targets(ended.json["runFile"], "--reason", "gone")
    assert all(one["uid"] == "" for one in missing)
    details = {one["name"]: one["detail"] for one in missing}
    assert details["nothing"].endswith(f"/{FILE}:2: platform/nothing was not found")
    assert details["etl-1"].endswith(f"/{FILE}:3: no-such-space/etl-1 was not found")
    assert f"{FILE}:2: platform/nothing was not found" in ended.err
    assert labelled(server) == set(wanted)
    # What is not there is not read again, and is not put back.
    assert tool.run("undo", ended.json["runFile"], "--yes").code == 0
    assert labelled(server) == set()
    assert len(tool.targets("ticket", "--reason", "gone")) == 2


def test_an_object_that_the_selector_does_not_match_is_not_selected(
    tool: Tool, server: SandboxServer
) -> None:
    wanted = jobs(server)[:1]
    file = listing(tool, wanted, {"selector": "app=nothing"}, guards={"onEmpty": "refuse"})

    ended = tool.run("plan", file)

    assert ended.code == 2
    assert "does not match any object" in ended.err


def test_a_missing_object_refuses_the_plan_if_the_plan_says_so(
    tool: Tool, server: SandboxServer
) -> None:
    file = listing(
        tool, [jobs(server)[0], "platform/nothing"], guards={"onEmpty": "refuse", "maxTargets": 9}
    )

    ended = tool.run("apply", file, "--yes")

    assert ended.code == 2
    assert f"{FILE}:2: platform/nothing was not found" in ended.err
    assert server.sent() == 0
    assert not list((tool.state / "runs").glob("*.run*"))


def test_a_list_of_which_nothing_exists_is_refused_with_its_lines(
    tool: Tool, server: SandboxServer
) -> None:
    file = listing(tool, [f"platform/no-{at}" for at in range(1, 9)])

    ended = tool.run("apply", file, "--yes")

    assert ended.code == 2
    assert f"{FILE}:1: platform/no-1 was not found" in ended.err
    assert f"{FILE}:5: platform/no-5 was not found; and 3 more; check the names" in ended.err
    assert server.sent() == 0


def test_of_very_many_missing_objects_the_first_are_named(
    tool: Tool, server: SandboxServer
) -> None:
    file = listing(tool, [jobs(server)[0], *(f"platform/no-{at}" for at in range(30))])

    ended = tool.run("plan", file, "-o", "json")

    assert ended.code == 0, ended.err
    assert ended.json["outcomes"] == {"pending": 1, "unchanged": 0, "skipped": 30}
    assert ended.err.count("was not found") == 20
    assert "10 more objects of the lists were not found" in ended.err


def test_an_entry_may_name_the_cluster_of_its_object(tool: Tool, tmp_path: Path) -> None:
    other = Tool(tmp_path, tmp_path / "other.kubeconfig")
    with sandbox(other, jobs=300, namespaces=3) as second:
        config: Any = {"apiVersion": "v1", "kind": "Config", "contexts": []}
        for cluster, kubeconfig in (("a", tool.kubeconfig), ("b", second.kubeconfig)):
            assert kubeconfig
            own = json.loads(kubeconfig.read_text())
            for part in ("clusters", "users"):
                config.setdefault(part, []).append({**own[part][0], "name": cluster})
            context = {"cluster": cluster, "user": cluster}
            config["contexts"].append({"name": cluster, "context": context})
        both = Tool(tmp_path, tool.write("both.kubeconfig", config))
        name = jobs(second)[0]
        fleet = [{"name": "a", "context": "a"}, {"name": "b", "context": "b"}]
        file = listing(both, [f"b/{name}", "b/platform/nothing", "platform/nowhere"], fleet=fleet)

        ended = both.run("apply", file, "--yes", "-o", "json")

        assert ended.code == 0, ended.err
        assert ended.json["byCluster"]["b"]["applied"] == 1
        assert ended.json["byCluster"]["b"]["skipped"] == 1
        assert ended.json["byCluster"]["a"]["skipped"] == 1
        assert "platform/nowhere was not found in any cluster" in ended.err
        assert labelled(second) == {name}
