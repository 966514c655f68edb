"""Which workers a session begins with, and what is said of those that cannot take part.

Covered: workers that are suspended, that cannot connect, that lack something, none at all. Left
out: Dask's own calls (test_option.py, test_runs.py).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import anyio
import pytest
from distributed.security import Security

from fleetpatch.campaign.settings import Stop
from fleetpatch.engine.clock import SystemClock
from fleetpatch.errors import FleetpatchError, UnreachableError, UsageError
from fleetpatch.workers import recruiter
from fleetpatch.workers.coordinator import Coordinator
from fleetpatch.workers.dask import DaskCluster
from fleetpatch.workers.messages import Checked, FoundCluster, Work
from fleetpatch.workers.recruiter import Recruiter
from fleetpatch.workers.start import versions
from tests.fakes import FakeEvents
from tests.workers.coordinators import INFO, TIMEOUT
from tests.workers.memory_channel import ScriptedWorker


class ScriptedCluster(DaskCluster):
    """A Dask cluster with a worker for each name; those in `suspended` do not answer."""

    def __init__(self, *names: str, suspended: Sequence[str] = ()) -> None:
        super().__init__("tcp://scheduler:1", Security(), "--workers")
        self.names, self.suspended = names, suspended
        self.started = anyio.Event()

    async def workers(self) -> Mapping[str, str]:
        return {f"tcp://{name}": name for name in self.names}

    async def start(
        self, workers: Sequence[str], _function: Callable[..., Any], *_arguments: object
    ) -> Mapping[str, Any]:
        self.started.set()
        return {
            address: versions()
            for address in workers
            if address.removeprefix("tcp://") not in self.suspended
        }


async def recruited(cluster: ScriptedCluster, **problems: str) -> list[str]:
    """Recruit the workers of a cluster; return the names of those that joined.

    Those in `problems` connect, and say what they lack, if anything.
    """
    log, clock = FakeEvents(), SystemClock()
    coordinator = Coordinator(Work(INFO), TIMEOUT, clock, log, Stop())
    joining = Recruiter(cluster, coordinator, clock, log, "tcp://here:1")
    workers = []

    async def connect() -> None:
        await cluster.started.wait()
        for name, problem in problems.items():
            worker = ScriptedWorker(coordinator.session, coordinator.serve, name)
            workers.append(worker)
            await worker.send(worker.hello)
            await worker.send(Checked((FoundCluster("prod-a", problem),)))

    failed: FleetpatchError | None = None
    async with anyio.create_task_group() as tasks:
        await tasks.start(coordinator.run)
        tasks.start_soon(connect)
        try:
            await joining.recruit_first()
        except FleetpatchError as error:
            failed = error
        for worker in workers:
            worker.close()
        tasks.cancel_scope.cancel()
    if failed is not None:
        raise failed
    return [line["worker"] for line in log.lines if line["event"] == "worker.joined"]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a moment of real time instead of a minute."""
    monkeypatch.setattr(recruiter, "WITHOUT_WORKERS", 0.5)


async def test_a_suspended_worker_keeps_no_other_from_taking_part() -> None:
    assert await recruited(ScriptedCluster("0", "1", suspended=["0"]), **{"1": ""}) == ["1"]


async def test_workers_that_are_all_suspended_are_named() -> None:
    cluster = ScriptedCluster("0", "1", suspended=["0", "1"])

    with pytest.raises(UnreachableError, match=r"no answer of worker 0 \(tcp://0\) and 1 more;"):
        await recruited(cluster)


async def test_a_worker_that_cannot_connect_is_named_with_the_address() -> None:
    with pytest.raises(
        UnreachableError, match=r"worker 1 \(tcp://1\) did not connect .* at tcp://here:1;"
    ):
        await recruited(ScriptedCluster("0", "1"), **{"0": ""})


async def test_a_worker_that_lacks_credentials_is_named_with_the_cluster() -> None:
    with pytest.raises(UsageError, match=r"worker 1: cluster prod-a: no token; nothing was sent"):
        await recruited(ScriptedCluster("0", "1"), **{"0": "", "1": "no token"})


async def test_a_cluster_is_named_once_in_what_a_worker_lacks() -> None:
    with pytest.raises(UsageError, match=r"worker 0: cluster prod-a: no token; nothing was sent"):
        await recruited(ScriptedCluster("0"), **{"0": "cluster prod-a: no token"})


async def test_without_any_worker_the_message_says_how_long_it_waited() -> None:
    with pytest.raises(UnreachableError, match="there was no worker for"):
        await recruited(ScriptedCluster())
