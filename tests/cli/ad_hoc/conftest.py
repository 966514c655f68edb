"""A sandbox for each test of `label` and `annotate`."""

from collections.abc import Iterator

import pytest

from tests.cli.calling import Caller
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool


@pytest.fixture
def jobs(tool: Tool) -> Iterator[SandboxServer]:
    """A sandbox of 60 jobs in three namespaces, 12 of them batch Jobs, for this test alone."""
    own = Tool(tool.folder, tool.folder / "own.kubeconfig")
    with sandbox(own, jobs=60, namespaces=3) as server:
        yield server


@pytest.fixture
def call(call: Caller, jobs: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> Caller:
    """The command line within this process, for that sandbox."""
    monkeypatch.setenv("KUBECONFIG", str(jobs.kubeconfig))
    return call
