"""Fixtures of the tests of deploy/."""

from pathlib import Path

import pytest

from tests.e2e.tool import Tool


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    """The command line, with the kubeconfig in `tmp_path / "kubeconfig"`."""
    return Tool(tmp_path, tmp_path / "kubeconfig")
