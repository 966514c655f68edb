"""Fixtures of the end-to-end tests."""

import random
import signal
from pathlib import Path

import pytest

from tests.cli.calling import Caller
from tests.e2e.tool import Tool


@pytest.fixture(autouse=True, scope="session")
def _heed_ctrl_c() -> None:
    """Do not ignore SIGINT: a background process of a shell does, and its children inherit it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def generator(request: pytest.FixtureRequest) -> random.Random:
    """Return a generator that is seeded by the name of the test."""
    return random.Random(request.node.name)


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    """The command line, with the kubeconfig in `tmp_path / "kubeconfig"`."""
    return Tool(tmp_path, tmp_path / "kubeconfig")


@pytest.fixture
def call(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> Caller:
    """The command line within this process, in the same folder."""
    return tool.caller(monkeypatch)
