"""Fixtures: a sandbox without faults for each test, Kubernetes with a small fleet, or CCI."""

from collections.abc import Iterator

import pytest

from fleetpatch.model.providers.capability import ProviderName
from fleetpatch.sandbox.apiserver.release import KubernetesVersion
from fleetpatch.sandbox.server import SandboxOptions
from tests.sandbox.serving import SandboxThread


@pytest.fixture
def running() -> Iterator[SandboxThread]:
    with SandboxThread(SandboxOptions(jobs=60, namespaces=5, seed=7)) as started:
        yield started


@pytest.fixture
def running_1_20() -> Iterator[SandboxThread]:
    """A sandbox as a server of Kubernetes 1.20, for what only that version answers."""
    with SandboxThread(SandboxOptions(jobs=0, kubernetes=KubernetesVersion.V1_20)) as started:
        yield started


@pytest.fixture
def cci() -> Iterator[SandboxThread]:
    options = SandboxOptions(jobs=0, namespaces=0, provider=ProviderName.CCI)
    with SandboxThread(options) as started:
        yield started
