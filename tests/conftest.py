"""Fixtures that all tests share, and how the tests run."""

import gc
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import needs
from tests.control_plane import BinariesNotFoundError, ControlPlane, find_binaries
from tests.control_plane.directory import memory
from tests.server_versions import Expected

# Examples have no time limit: on a loaded machine each of them may take a multiple of its time, and
# a test that fails for that says nothing about the code.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


_WITH_PROCESSES = ("workers", "e2e", "differential", "control_plane", "cli", "kube")
"""The folders of tests that take long, since they start processes of their own."""


def pytest_xdist_auto_num_workers() -> int:
    """Half as many again as there are CPUs: much of the suite waits for processes of its own.

    With twice as many, the API servers that each of them starts take what is won by that.
    """
    cpus = os.cpu_count() or 1
    return cpus + cpus // 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long tests, so that none of them is the last one and runs alone."""
    tests = Path(__file__).parent
    places = {folder: place for place, folder in enumerate(_WITH_PROCESSES)}
    items.sort(key=lambda item: places.get(item.path.relative_to(tests).parts[0], len(places)))


def pytest_configure() -> None:
    """Keep temporary files in memory where that can be: a run file is synced at every commit."""
    directory = memory()
    if "TMPDIR" in os.environ or directory is None:
        return
    runs_programs = not os.statvfs(directory).f_flag & os.ST_NOEXEC
    if runs_programs:  # some tests write scripts and run them
        tempfile.tempdir = str(directory)


def pytest_collection_finish() -> None:
    """Spare the garbage collector the thousands of tests, which stay as long as the process."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def control_plane_binaries() -> Path:
    """Find kube-apiserver and etcd; without them the test is skipped, or fails in CI."""
    try:
        return find_binaries()
    except BinariesNotFoundError as error:
        needs.missing(str(error))


@pytest.fixture(scope="session")
def audit_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the control plane of this session writes a line for each request."""
    return tmp_path_factory.mktemp("audit") / "audit.log"


@pytest.fixture(scope="session")
def control_plane(control_plane_binaries: Path, audit_log: Path) -> Iterator[ControlPlane]:
    """Start the control plane of this session; tests keep apart by a namespace each."""
    with ControlPlane(control_plane_binaries, audit_log=audit_log) as started:
        yield started


@pytest.fixture(scope="session")
def expected(control_plane: ControlPlane) -> Expected:
    """What the tests expect of a server of the version of the control plane."""
    return Expected.of(control_plane)
