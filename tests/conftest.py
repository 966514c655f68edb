"""Fixtures that all tests share, and how the tests run."""

import gc
import os
import tempfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, settings

from tests import needs
from tests.control_plane import (
    BinariesNotFoundError,
    ControlPlane,
    OwnControlPlane,
    SharedControlPlane,
    find_binaries,
    sharing,
)
from tests.control_plane.directory import memory
from tests.server_versions import Expected

# Examples have no time limit: on a loaded machine each of them may take a multiple of its time, and
# a test that fails for that says nothing about the code.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


_SHARED_PLANE: Final = pytest.StashKey[str]()
"""The URL at which the process that starts the workers of xdist shares its control plane."""

_WORKER_INPUT: Final = "fleetpatch_control_plane"
"""Its name in what a worker is given."""

_WITH_PROCESSES = (
    "workers",
    "kube/kubeconfig",
    "e2e",
    "differential",
    "control_plane",
    "cli",
    "kube",
)
"""The folders of tests that take long, since they start processes of their own.

The files of the last one take seconds, so that all workers end at about the same time.
"""


def pytest_xdist_auto_num_workers() -> int:
    """Twice as many as there are CPUs: much of the suite waits for processes of its own."""
    return 2 * (os.cpu_count() or 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long tests, so that none of them is the last one and runs alone.

    The files of the other folders are spread among theirs: they use the CPUs while long tests wait.
    """
    # Paths would take a second for all tests, in each worker.
    files = dict.fromkeys(_file(item) for item in items)
    beginnings = [f"tests/{folder}/" for folder in _WITH_PROCESSES]
    long = dict.fromkeys(one for start in beginnings for one in files if one.startswith(start))
    others = [file for file in files if file not in long]
    order = {
        file: place / len(group) for group in (long, others) for place, file in enumerate(group)
    }
    items.sort(key=lambda item: order[_file(item)])


def _file(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


def pytest_configure() -> None:
    """Keep temporary files in memory where that can be: a run file is synced at every commit.

    A third of the time of kube-apiserver is garbage collection, which memory saves, too.
    """
    os.environ.setdefault("GOGC", "600")
    os.environ.setdefault("GOMEMLIMIT", "2GiB")
    directory = memory()
    if "TMPDIR" in os.environ or directory is None:
        return
    runs_programs = not os.statvfs(directory).f_flag & os.ST_NOEXEC
    if runs_programs:  # some tests write scripts and run them
        tempfile.tempdir = str(directory)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """Spare the garbage collector the thousands of tests, which stay as long as the process.

    It would take a third of the collection of tests.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def control_plane_binaries() -> Path:
    """Find kube-apiserver and etcd; without them the test is skipped, or fails in CI."""
    try:
        return find_binaries()
    except BinariesNotFoundError as error:
        needs.missing(str(error))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give all workers of xdist the same control plane, which ends with this process."""
    if _SHARED_PLANE not in node.config.stash:
        until_the_end = ExitStack()
        node.config.add_cleanup(until_the_end.close)
        folder = Path(until_the_end.enter_context(tempfile.TemporaryDirectory()))
        own = OwnControlPlane(audit_log=folder / "audit.log")
        until_the_end.callback(own.stop)
        node.config.stash[_SHARED_PLANE] = until_the_end.enter_context(sharing(own))
    node.workerinput[_WORKER_INPUT] = node.config.stash[_SHARED_PLANE]


@pytest.fixture(scope="session")
def control_plane(
    request: pytest.FixtureRequest,
    control_plane_binaries: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ControlPlane]:
    """The control plane of this run of the tests, which keep apart by a namespace each.

    No test may kill it or let it refuse what others do: see `own_control_plane`.
    """
    worker_input = getattr(request.config, "workerinput", {})
    if _WORKER_INPUT in worker_input:
        with closing(SharedControlPlane(worker_input[_WORKER_INPUT])) as shared:
            yield shared
    else:
        audit_log = tmp_path_factory.mktemp("audit") / "audit.log"
        with OwnControlPlane(control_plane_binaries, audit_log=audit_log) as own:
            yield own


@pytest.fixture(scope="module")
def own_control_plane(control_plane_binaries: Path) -> Iterator[OwnControlPlane]:
    """A control plane of this module, whose servers its tests may kill."""
    with OwnControlPlane(control_plane_binaries) as own:
        yield own


@pytest.fixture(scope="session")
def expected(control_plane: ControlPlane) -> Expected:
    """What the tests expect of a server of the version of the control plane."""
    return Expected.of(control_plane)
