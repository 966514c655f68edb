"""Worker processes: those of this machine, or of a running Dask cluster."""

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Final

import anyio

from fleetpatch.campaign.running.lanes import Guard, Listeners, Member, RunOrder
from fleetpatch.engine import events
from fleetpatch.engine.concurrency import unwrapped_group
from fleetpatch.engine.writer import Settled
from fleetpatch.errors import UnreachableError, UsageError
from fleetpatch.model.pace import Ceilings
from fleetpatch.workers.coordinator import RIGHT, WITHOUT_WORKERS, Coordinator
from fleetpatch.workers.dask import DaskCluster, local_cluster, running_cluster
from fleetpatch.workers.messages import FoundCluster, Work
from fleetpatch.workers.remote_lane import RemoteLane, RemoteMember
from fleetpatch.workers.start import start_agent, versions

_LOOK: Final = 1.0
"""Seconds between two looks for new workers."""

_LEAVE: Final = 1.0
"""Seconds to say goodbye to all workers, some of which may be suspended."""


class DaskWorkers:
    """Implements `WorkerPool`. `where` is a number of processes, or a scheduler's address.

    A worker loses its clusters after `timeout` seconds of silence.
    """

    def __init__(self, where: int | str, timeout: float) -> None:
        self._where = where
        self._timeout = timeout

    @asynccontextmanager
    async def fleet(
        self, order: RunOrder, open_targets: Mapping[str, int]
    ) -> AsyncIterator["RemoteFleet | None"]:
        """Let workers carry out a run until the block ends. Yields and raises as the port says."""
        work = Work(
            order.info, order.releases, order.tables, order.read_only, order.request_timeout
        )
        coordinator = Coordinator(order, work, self._timeout)
        with unwrapped_group():
            async with anyio.create_task_group() as tasks, AsyncExitStack() as stack:
                await tasks.start(coordinator.run)
                fleet: RemoteFleet | None = None
                with anyio.CancelScope() as opening:
                    order.stop.listen(lambda _cause: opening.cancel())
                    recruiter = await self._recruit(coordinator, order, stack)
                    fleet = RemoteFleet(coordinator, order, open_targets)
                    tasks.start_soon(recruiter.watch)
                try:
                    yield fleet
                finally:
                    with anyio.move_on_after(_LEAVE, shield=True):
                        await coordinator.dismiss()
                    tasks.cancel_scope.cancel()

    async def _recruit(
        self, coordinator: Coordinator, order: RunOrder, stack: AsyncExitStack
    ) -> "Recruiter":
        """Open the Dask cluster until `stack` ends, and start its workers."""
        began_at = order.clock.monotonic()
        cluster = await stack.enter_async_context(self._cluster())
        listening = cluster.listening(
            coordinator.serve, os.environ.get("FLEETPATCH_LISTEN_ADDRESS", "")
        )
        own_address = await stack.enter_async_context(listening)
        address = os.environ.get("FLEETPATCH_CONTACT_ADDRESS") or own_address
        recruiter = Recruiter(cluster, coordinator, order, address)
        await recruiter.recruit_first()
        if order.was_running:
            # Workers of a coordinator that was killed may send until then.
            await order.clock.sleep(began_at + RIGHT - order.clock.monotonic())
        return recruiter

    def _cluster(self) -> AbstractAsyncContextManager[DaskCluster]:
        if isinstance(self._where, int):
            return local_cluster(self._where)
        return running_cluster(self._where)


class RemoteFleet:
    """Implements `WorkerFleet`."""

    def __init__(
        self, coordinator: Coordinator, order: RunOrder, open_targets: Mapping[str, int]
    ) -> None:
        self._coordinator, self._order, self._open = coordinator, order, open_targets
        found = next((one.checked for one in coordinator.workers.values() if one.checked), None)
        by_name = {one.name: one for one in found.clusters} if found else {}
        self._members = {
            info.name: RemoteMember(info, by_name.get(info.name, FoundCluster(info.name)))
            for info in order.info.clusters
            if not info.missing
        }
        self.members: Sequence[Member] = list(self._members.values())
        self._lanes: dict[str, RemoteLane] = {}
        for one in self.members:
            for warning in one.kubeconfig_warnings:
                order.warn(warning)

    def lane(
        self, cluster: str, guards: Sequence[Guard], ceilings: Ceilings, listeners: Listeners
    ) -> RemoteLane:
        """Create the lane of one cluster."""
        order, coordinator = self._order, self._coordinator
        coordinator.limits = [guard.left for guard in guards]
        lane = RemoteLane(
            self._members[cluster],
            order.journal,
            listeners,
            ceilings,
            order.clock,
            self._open.get(cluster, 0),
            coordinator.changed,
        )
        coordinator.add(lane)
        self._lanes[cluster] = lane
        return lane

    def recorded(self, group: Sequence[Settled]) -> None:
        """Tell each lane how many of its outcomes the run file has now."""
        counts: dict[str, int] = {}
        for target, _ in group:
            counts[target.cluster] = counts.get(target.cluster, 0) + 1
        for cluster, count in counts.items():
            self._lanes[cluster].recorded(count)


class Recruiter:
    """Starts the part of a session on each worker of a Dask cluster, those that come later too."""

    def __init__(
        self, cluster: DaskCluster, coordinator: Coordinator, order: RunOrder, address: str
    ) -> None:
        self._cluster, self._coordinator = cluster, coordinator
        self._order, self._address = order, address
        self._refused: set[str] = set()
        self._joined: set[str] = set()

    async def recruit_first(self) -> None:
        """Start all workers that there are, and require that each can do all of the work.

        Raises UnreachableError if there are none, and UsageError.
        """
        with anyio.move_on_after(WITHOUT_WORKERS):
            while not (found := await self._cluster.workers()):
                await self._order.clock.sleep(_LOOK)
            if problems := await self._start(found):
                raise UsageError(f"{'; '.join(problems)}; nothing was sent")
            while len(self._ready | self._unfit) < len(found):
                await self._coordinator.looked()
            if self._unfit:
                raise UsageError(
                    f"{'; '.join(self._problems())}; nothing was sent: workers read their own"
                    " kubeconfig, files and variables"
                )
            self._note_joined()
            return
        raise UnreachableError(
            f"there was no worker for {WITHOUT_WORKERS:.0f} s; nothing was sent: look at the Dask"
            " cluster, and whether its workers can connect to this process at"
            f" {self._address}"
        )

    async def watch(self) -> None:
        """Start workers that come later; one that cannot take part is logged."""
        while True:
            await anyio.sleep(_LOOK)
            self._note_joined()
            try:
                found = await self._cluster.workers()
                known = {one.address for one in self._coordinator.workers.values()}
                new = {address: found[address] for address in found.keys() - known - self._refused}
                for problem in await self._start(new):
                    events.worker_refused(self._order.log, "", detail=problem)
            except UnreachableError:
                # Its workers go on; without any, the coordinator pauses the run.
                continue

    @property
    def _ready(self) -> set[str]:
        return {one.address for one in self._coordinator.workers.values() if one.is_ready}

    @property
    def _unfit(self) -> set[str]:
        return {one.address for one in self._coordinator.workers.values() if one.problems}

    def _problems(self) -> list[str]:
        return [
            f"worker {one.name}: {problem}"
            for one in self._coordinator.workers.values()
            for problem in one.problems
        ]

    def _note_joined(self) -> None:
        for one in list(self._coordinator.workers.values()):
            if one.agent in self._joined or one.checked is None:
                continue
            self._joined.add(one.agent)
            if one.problems:
                events.worker_refused(self._order.log, one.name, detail="; ".join(one.problems))
            else:
                events.worker_joined(self._order.log, one.name, address=one.address)

    async def _start(self, found: Mapping[str, str]) -> list[str]:
        """Start workers, by address with their names; return why some cannot take part."""
        if not found:
            return []
        wanted = versions()
        answers = await self._cluster.start(
            list(found), start_agent, self._address, self._coordinator.session, wanted
        )
        problems = []
        for address, answer in answers.items():
            if answer != wanted:
                self._refused.add(address)
                problems.append(f"worker {found[address]} ({address}) {_difference(answer)}")
        return problems


def _difference(answer: object) -> str:
    """Say how the versions of a worker differ from ours."""
    if not isinstance(answer, Mapping):
        return f"cannot run fleetpatch {versions()['fleetpatch']}: {answer}"
    different = [
        f"{name} {answer.get(name)} and this process has {version}"
        for name, version in versions().items()
        if answer.get(name) != version
    ]
    return f"has {', '.join(different)}"
