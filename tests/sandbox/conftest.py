"""A sandbox for each test, with a small fleet and no chaos."""

from collections.abc import Iterator

import pytest

from fleetpatch.sandbox.server import SandboxOptions
from tests.sandbox.serving import SandboxThread


@pytest.fixture
def running() -> Iterator[SandboxThread]:
    with SandboxThread(SandboxOptions(jobs=60, namespaces=5, seed=7)) as started:
        yield started
