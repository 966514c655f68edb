"""A sandbox for all tests of the command line, and a desk for each: a folder with its own state."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.calling import Caller
from tests.e2e.sandboxes import SandboxProcess, sandbox
from tests.e2e.tool import Tool, plan

ETL = {"kinds": ["jobs.batch"], "selector": "app=etl"}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """A sandbox of 200 jobs, 40 of them batch Jobs."""
    folder: Path = tmp_path_factory.mktemp("server")
    with sandbox(Tool(folder), "--jobs", 200) as served:
        yield served


@pytest.fixture
def tool(tmp_path: Path, server: SandboxProcess) -> Tool:
    """The command line as a process, for the sandbox."""
    return Tool(tmp_path, server.kubeconfig)


@pytest.fixture
def call(tool: Tool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Caller:
    """The command line within this process, on the same desk."""
    monkeypatch.chdir(tool.folder)
    for name in ("KUBECONFIG", "HOME", "FLEETPATCH_STATE_DIR", "COLUMNS"):
        monkeypatch.setenv(name, tool.environment[name])
    return Caller(monkeypatch, capsys)


def paint(name: str = "paint", **more: Any) -> dict[str, Any]:
    """A plan that sets a label on some of the jobs."""
    return plan(name, ETL, patch={"labels": {"colour": "red"}}, **more)
