"""A Dask cluster for each file of tests, and clusters of Jobs that its workers reach."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.calling import Caller
from tests.e2e.sandboxes import SandboxServer, joined_kubeconfig, sandbox
from tests.e2e.tool import Tool, end, plan

JOBS = 50
"""Objects of each sandbox; a fifth of them are batch Jobs."""


@dataclass(frozen=True)
class Dask:
    """A running Dask cluster of two workers, 0 and 1; they read `kubeconfig`."""

    address: str
    kubeconfig: Path


# Not for the session: it would cost CPU time as long as the other folders are tested.
@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dask]:
    """Two workers, as processes. They take a second to start, so the tests of a file share them."""
    kubeconfig = tmp_path_factory.mktemp("dask") / "kubeconfig"
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("dask_cluster.py"))],
        env=os.environ | {"KUBECONFIG": str(kubeconfig), "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("tcp://")
        yield Dask(address, kubeconfig)
    finally:
        process.communicate()
        end(process)


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    """The command line, with the kubeconfig in `tmp_path / "kubeconfig"`."""
    return Tool(tmp_path, tmp_path / "kubeconfig")


@pytest.fixture
def call(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> Caller:
    """The command line within this process, in the same folder."""
    return tool.caller(monkeypatch)


@dataclass(frozen=True)
class Clusters:
    """Three sandboxes with the contexts a, b and c, and a plan for their batch Jobs."""

    tool: Tool
    servers: dict[str, SandboxServer]
    targets: int

    def plan(self, value: str, **more: Any) -> Path:
        """Write a plan that sets a label; `more` are further sections of it."""
        fleet = [{"name": name, "context": name} for name in self.servers]
        block = {"kinds": ["jobs.batch"], "selector": "app"}
        patch = {"labels": {"cost": value}}
        return self.tool.write("plan.yaml", plan("spread", block, patch=patch, fleet=fleet, **more))

    def appending(self, value: str, **more: Any) -> Path:
        """Write a plan that appends a value to a list of Volcano jobs: `appended` shows how often.

        There are as many Volcano jobs as batch Jobs.
        """
        fleet = [{"name": name, "context": name} for name in self.servers]
        block = {"kinds": ["jobs.batch.volcano.sh"], "selector": "app"}
        patch = {"json": [{"op": "add", "path": "/spec/plugins/env/-", "value": value}]}
        return self.tool.write("plan.yaml", plan("spread", block, patch=patch, fleet=fleet, **more))

    def applying(self, value: str, **more: Any) -> Path:
        """Write a plan that applies a field and a list to Volcano jobs."""
        fleet = [{"name": name, "context": name} for name in self.servers]
        block = {"kinds": ["jobs.batch.volcano.sh"], "selector": "app"}
        spec = {"queue": value, "policies": [{"event": value}]}
        patch = {"apply": {"spec": spec}, "force": True}
        return self.tool.write("plan.yaml", plan("spread", block, patch=patch, fleet=fleet, **more))

    def appended(self) -> list[list[str]]:
        """Return what the list of each Volcano job has now."""
        path = "/apis/batch.volcano.sh/v1alpha1/jobs"
        return [
            item["spec"]["plugins"]["env"]
            for server in self.servers.values()
            for item in server.client.request("GET", path).body["items"]
        ]

    def sent(self) -> list[int]:
        """Return how many PATCHes each object received, of those that received any."""
        return [count for one in self.servers.values() for count in one.patches().values()]

    def log(self) -> list[dict[str, Any]]:
        """Return the log of the newest run so far."""
        newest = max(self.tool.state.glob("runs/*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
        return self.tool.log(newest)


@pytest.fixture
def clusters(dask: Dask, tool: Tool, tmp_path: Path) -> Iterator[Clusters]:
    """Three sandboxes, in the kubeconfig that the workers and the command read."""
    servers = {}
    with ExitStack() as stack:
        for name in ("a", "b", "c"):
            (tmp_path / name).mkdir()
            own = Tool(tmp_path / name)
            servers[name] = stack.enter_context(sandbox(own, jobs=JOBS, namespaces=2))
        document = joined_kubeconfig({name: one.kubeconfig for name, one in servers.items()})
        dask.kubeconfig.write_text(json.dumps(document))
        tool.write("kubeconfig", document)
        yield Clusters(tool, servers, 3 * JOBS // 5)


def put_in_place_of_a(server: SandboxServer, dask: Dask, tool: Tool) -> None:
    """Let the name `a` mean this server, for the workers and the command."""
    config = json.loads(dask.kubeconfig.read_text())
    own = json.loads(server.kubeconfig.read_text())
    config["clusters"][0]["cluster"] = own["clusters"][0]["cluster"]
    config["users"][0]["user"] = own["users"][0]["user"]
    for path in (dask.kubeconfig, tool.folder / "kubeconfig"):
        path.write_text(json.dumps(config))
