"""Worker processes: those of this machine, or of a running Dask cluster."""

import os
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import anyio

from fleetpatch.campaign.running.lanes import Guard, Listeners, RunCluster, RunOrder
from fleetpatch.campaign.running.target_rows import RowJournal
from fleetpatch.campaign.settings import Settings, Stop
from fleetpatch.engine.concurrency import unwrapped_group
from fleetpatch.engine.events import SilentEvents
from fleetpatch.engine.writer import Settled
from fleetpatch.errors import UnreachableError, UsageError
from fleetpatch.model.pace import Ceilings
from fleetpatch.model.ports import Clock, Events
from fleetpatch.model.run import RunInfo
from fleetpatch.workers.coordinator import Coordinator
from fleetpatch.workers.dask import DaskCluster, running_cluster
from fleetpatch.workers.local_processes import LocalProcesses
from fleetpatch.workers.messages import FoundCluster, Work, digest_of_tables
from fleetpatch.workers.recruiter import Recruiter
from fleetpatch.workers.remote_cluster import RemoteCluster
from fleetpatch.workers.remote_lane import RemoteLane, RemoteRunCluster

_LEAVE: Final = 1.0
"""Seconds to say goodbye to all workers, some of which may be suspended."""


class DaskWorkers:
    """Implements `WorkerPool`. `where` is a number of processes, or a scheduler's address.

    A worker loses its clusters after `timeout` seconds of silence.
    """

    def __init__(self, where: int | str, timeout: float) -> None:
        self._address = where if isinstance(where, str) else ""
        self._local = LocalProcesses(where) if isinstance(where, int) else None
        self._timeout = timeout

    def close(self) -> None:
        """End the processes of this machine, which all uses share."""
        if self._local is not None:
            self._local.close()

    @asynccontextmanager
    async def fleet(
        self, order: RunOrder, rows: RowJournal, open_targets: Mapping[str, int]
    ) -> AsyncIterator["RemoteFleet | None"]:
        """Let workers carry out a run until the block ends. Yields and raises as the port says."""
        work = Work(
            order.info,
            order.merging,
            order.tables,
            digest_of_tables(order.tables),
            order.read_only,
            order.request_timeout,
        )
        coordinator = Coordinator(work, self._timeout, order.clock, order.log, order.stop)
        async with self._serving(coordinator, order.clock, order.log, order.stop) as is_ready:
            yield RemoteFleet(coordinator, order, rows, open_targets) if is_ready else None

    @asynccontextmanager
    async def reading(
        self, info: RunInfo, settings: Settings, tables: bytes = b""
    ) -> AsyncIterator[Sequence[RemoteCluster]]:
        """Let workers read the clusters of a run until the block ends. Raises as the port says."""
        work = Work(
            info,
            tables=tables,
            tables_digest=digest_of_tables(tables),
            request_timeout=settings.request_timeout,
        )
        clock, log, stop = settings.clock, SilentEvents(), Stop()
        coordinator = Coordinator(work, self._timeout, clock, log, stop)
        async with self._serving(coordinator, clock, log, stop) as is_ready:
            if not is_ready:
                why = stop.cause.text if stop.cause else "no worker takes part"
                raise UnreachableError(f"{why}; nothing was sent")
            found = _same_for_all(coordinator)
            for one in found:
                for warning in one.warnings:
                    settings.warn(warning)
            yield [RemoteCluster(one, coordinator.ask) for one in found]

    @asynccontextmanager
    async def _serving(
        self, coordinator: Coordinator, clock: Clock, log: Events, stop: Stop
    ) -> AsyncIterator[bool]:
        """Start all workers, and serve them while the block runs; yields False after a stop."""
        with unwrapped_group():
            async with anyio.create_task_group() as tasks, AsyncExitStack() as stack:
                await tasks.start(coordinator.run)
                is_ready = False
                with anyio.CancelScope() as opening:
                    stop.listen(lambda _cause: opening.cancel())
                    cluster = await self._cluster()
                    listening = cluster.listening(
                        coordinator.serve, os.environ.get("FLEETPATCH_LISTEN_ADDRESS", "")
                    )
                    own_address = await stack.enter_async_context(listening)
                    address = os.environ.get("FLEETPATCH_CONTACT_ADDRESS") or own_address
                    cluster.host_and_port(address)
                    recruiter = Recruiter(cluster, coordinator, clock, log, address)
                    await recruiter.recruit_first()
                    tasks.start_soon(recruiter.watch)
                    is_ready = True
                try:
                    yield is_ready
                finally:
                    with anyio.move_on_after(_LEAVE, shield=True):
                        await coordinator.dismiss()
                    tasks.cancel_scope.cancel()

    async def _cluster(self) -> DaskCluster:
        if self._local is not None:
            return await self._local.cluster()
        return running_cluster(self._address)


class RemoteFleet:
    """Implements `WorkerFleet`."""

    def __init__(
        self,
        coordinator: Coordinator,
        order: RunOrder,
        rows: RowJournal,
        open_targets: Mapping[str, int],
    ) -> None:
        self._coordinator, self._order = coordinator, order
        self._rows, self._open = rows, open_targets
        found = next((one.checked for one in coordinator.workers.values() if one.checked), None)
        by_name = {one.name: one for one in found.clusters} if found else {}
        self._by_name = {
            info.name: RemoteRunCluster(info, by_name.get(info.name, FoundCluster(info.name)))
            for info in order.info.clusters
            if not info.missing
        }
        self.clusters: Sequence[RunCluster] = list(self._by_name.values())
        self._lanes: dict[str, RemoteLane] = {}
        for one in self.clusters:
            for warning in one.kubeconfig_warnings:
                order.warn(warning)

    def lane(
        self, cluster: str, guards: Sequence[Guard], ceilings: Ceilings, listeners: Listeners
    ) -> RemoteLane:
        """Create the lane of one cluster."""
        order, coordinator = self._order, self._coordinator
        coordinator.limits = [guard.left for guard in guards]
        lane = RemoteLane(
            self._by_name[cluster],
            self._rows,
            listeners,
            ceilings,
            order.clock,
            self._open.get(cluster, 0),
            coordinator.changed,
            order.traces,
        )
        coordinator.add(lane)
        self._lanes[cluster] = lane
        return lane

    def recorded(self, group: Sequence[Settled]) -> None:
        """Tell each lane how many of its outcomes the run file has now."""
        for cluster, count in Counter([target.cluster for target, _ in group]).items():
            self._lanes[cluster].recorded(count)


def _same_for_all(coordinator: Coordinator) -> Sequence[FoundCluster]:
    """Return the clusters that the workers found. Raises UsageError if they found other servers."""
    first, *others = [one for one in coordinator.workers.values() if one.checked]
    found = first.checked.clusters if first.checked else ()
    for other in others:
        others_found = other.checked.clusters if other.checked else ()
        for one, another in zip(found, others_found, strict=True):
            if (one.server, one.route) != (another.server, another.route):
                raise UsageError(
                    f"cluster {one.name}: worker {first.name} finds {one.server}, and worker"
                    f" {other.name} finds {another.server}; nothing was sent: give all workers"
                    " the same kubeconfig"
                )
    return found
