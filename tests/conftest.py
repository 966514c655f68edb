"""Fixtures that all tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.control_plane import BinariesNotFoundError, ControlPlane, find_binaries

# Examples have no time limit: on a loaded machine each of them may take a multiple of its time, and
# a test that fails for that says nothing about the code.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_xdist_auto_num_workers() -> int:
    """Half as many again as there are CPUs: much of the suite waits for processes of its own."""
    cpus = os.cpu_count() or 1
    return cpus + cpus // 2


@pytest.fixture(scope="session")
def control_plane_binaries() -> Path:
    """Find kube-apiserver and etcd; without them the test is skipped, or fails in CI."""
    try:
        return find_binaries()
    except BinariesNotFoundError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def control_plane(control_plane_binaries: Path) -> Iterator[ControlPlane]:
    """Start the control plane of this session; tests keep apart by a namespace each."""
    with ControlPlane(control_plane_binaries) as started:
        yield started
