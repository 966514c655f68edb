"""A sandbox of CCI for each file of tests."""

from collections.abc import Iterator

import pytest

from tests.e2e.cci.patches import know
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    """CCI with 25 jobs, five of each kind."""
    tool = Tool(tmp_path_factory.mktemp("cloud"))
    with sandbox(tool, provider="cci", jobs=25, namespaces=3) as served:
        yield served


@pytest.fixture
def variables(cloud: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> None:
    know(cloud, monkeypatch)
