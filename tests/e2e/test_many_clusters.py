"""Several clusters in one run: independent of each other, at the same time.

Covered: one that cannot be reached when the run is carried out, and that comes back; all of them
gone; one whose credentials are refused. Left out: waves over clusters (test_waves.py), a cluster
that is missing when the run is planned (tests/cli/test_bad_surroundings.py).
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.control_plane.processes import free_ports
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool, plan

JOBS = {"kinds": ["jobs.batch"], "selector": "app"}
NAMES = ("a", "b", "c")
COUNT = 20
PATCH = {"labels": {"cost": "new"}}
RETRY = {"attempts": 2, "maxDelay": "50ms"}


@contextmanager
def clusters(tool: Tool, tmp_path: Path, chaos: Any = "none") -> Iterator[list[SandboxServer]]:
    """Three sandboxes, the contexts a, b and c; `chaos` befalls b.

    Where one of them was stopped, nothing else listens.
    """
    own, ports = [], free_ports(3)
    for name in NAMES:
        (tmp_path / name).mkdir()
        own.append(Tool(tmp_path / name))
    with (
        sandbox(own[0], jobs=5 * COUNT, port=ports[0]) as a,
        sandbox(own[1], jobs=5 * COUNT, port=ports[1], chaos=chaos) as b,
        sandbox(own[2], jobs=5 * COUNT, port=ports[2]) as c,
    ):
        configure(tool, a, b, c)
        yield [a, b, c]


def configure(tool: Tool, *served: SandboxServer) -> None:
    """Write the kubeconfig; a sandbox has other credentials each time it is started."""
    document: dict[str, Any] = {"apiVersion": "v1", "kind": "Config"}
    document |= {"clusters": [], "users": [], "contexts": []}
    for name, one in zip(NAMES, served, strict=True):
        config = json.loads(one.kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        document["clusters"].append({"name": name, "cluster": cluster})
        document["users"].append({"name": name, "user": user})
        document["contexts"].append({"name": name, "context": {"cluster": name, "user": name}})
    tool.write("kubeconfig", document)


def planned(tool: Tool) -> None:
    fleet = [{"name": name, "context": name} for name in NAMES]
    file = tool.write("plan.yaml", plan("many", JOBS, patch=PATCH, fleet=fleet, retry=RETRY))
    ended = tool.run("plan", file)
    assert ended.code == 0, ended.err


def test_a_cluster_that_is_gone_leaves_its_targets_pending_and_the_others_finish(
    tool: Tool, tmp_path: Path
) -> None:
    with clusters(tool, tmp_path) as (a, b, c):
        planned(tool)
        port = b.port
        b.stop()
        ended = tool.run("apply", "many", "--yes", "-o", "json")

        assert ended.code == 3, ended.err
        assert ended.json["outcomes"]["applied"] == 2 * COUNT
        assert ended.json["outcomes"]["pending"] == COUNT
        assert ended.json["cause"].startswith("b: the server cannot be reached")
        assert (a.sent(), c.sent()) == (COUNT, COUNT)

        with sandbox(Tool(tmp_path / "b"), jobs=5 * COUNT, port=port) as back:
            configure(tool, a, back, c)
            on = tool.run("resume", "many", "-o", "json")
            assert (on.code, on.json["state"], back.sent()) == (0, "finished", COUNT)
        assert (a.sent(), c.sent()) == (COUNT, COUNT)


def test_with_all_of_them_gone_the_run_is_paused(tool: Tool, tmp_path: Path) -> None:
    with clusters(tool, tmp_path) as served:
        planned(tool)
        for one in served:
            one.stop()
        ended = tool.run("apply", "many", "--yes", "-o", "json")

    assert (ended.code, ended.json["causeCode"]) == (7, "unreachable")
    assert ended.json["outcomes"]["pending"] == 3 * COUNT


def test_a_cluster_that_refuses_our_credentials_does_not_delay_the_others(
    tool: Tool, tmp_path: Path
) -> None:
    refusing = {"rules": [{"status": 401, "methods": ["PATCH", "GET"]}]}
    with clusters(tool, tmp_path, refusing):
        planned(tool)
        ended = tool.run("apply", "many", "--yes", "-o", "json")

    assert ended.code == 3
    assert ended.json["outcomes"] == {
        "applied": 2 * COUNT,
        "unchanged": 0,
        "skipped": 0,
        "failed": 0,
        "pending": COUNT,
    }
    assert "credentials" in ended.json["cause"]
