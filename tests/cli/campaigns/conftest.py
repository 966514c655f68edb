"""A sandbox for each test of campaigns, and a campaign of three runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.calling import Caller
from tests.cli.campaigns.painting import applied, colours, create, write
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SandboxServer]:
    """A sandbox of its own for each test: 40 batch Jobs, some of them of etl."""
    with sandbox(Tool(tmp_path), jobs=200) as served:
        yield served


@pytest.fixture
def nights(tool: Tool, call: Caller, server: SandboxServer) -> list[str]:
    """Three runs of one plan, the newest first; each night there was a new job."""
    write(tool)
    runs: list[str] = []
    for night in ("one", "two", "three"):
        create(server, f"job-of-night-{night}")
        runs.insert(0, applied(call, "plan.yaml"))
    assert set(colours(server).values()) == {"red"}
    return runs
