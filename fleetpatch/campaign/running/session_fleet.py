"""The clusters of a session: their requests are sent by this process, or by workers."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol

import anyio
import msgspec

from fleetpatch.campaign.fleet import Missing, reopen_fleet
from fleetpatch.campaign.running.lanes import (
    Guard,
    Listeners,
    RunCluster,
    RunOrder,
    lane_of,
    rechecks_of,
)
from fleetpatch.campaign.running.recheck import Rechecks
from fleetpatch.campaign.running.target_rows import RowJournal
from fleetpatch.campaign.settings import Settings
from fleetpatch.engine.lane import Lane
from fleetpatch.engine.pipeline import RunLane
from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.engine.writer import Settled
from fleetpatch.kube.client import ApiServer
from fleetpatch.model.pace import Ceilings
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.run import RunInfo


class Lanes(Protocol):
    """Makes the lanes of a session; `campaign.workers.WorkerFleet` documents the methods."""

    def lane(
        self, cluster: str, guards: Sequence[Guard], ceilings: Ceilings, listeners: Listeners
    ) -> RunLane:
        """Create the lane of one cluster."""
        ...

    def recorded(self, group: Sequence[Settled]) -> None:
        """The run file has these outcomes now."""
        ...


class SessionFleet(msgspec.Struct, frozen=True):
    """The clusters of a session.

    `home` are those to which this process sends requests of its own: all, unless workers send the
    others. `missing` refuse the credentials.
    """

    clusters: Sequence[RunCluster]
    home: Sequence[ApiServer]
    missing: Missing
    lanes: Lanes


class LocalLanes:
    """Makes lanes that send from this process."""

    def __init__(self, order: RunOrder, fleet: Sequence[ApiServer], rechecks: Rechecks) -> None:
        self._order, self._rechecks = order, rechecks
        self._fleet = {cluster.name: cluster for cluster in fleet}

    def lane(
        self, cluster: str, guards: Sequence[Guard], ceilings: Ceilings, listeners: Listeners
    ) -> Lane:
        """Create the lane of one cluster."""
        shutdown = Shutdown(self._order.clock, *(guard.holds for guard in guards))
        return lane_of(
            self._order, self._fleet[cluster], shutdown, ceilings, listeners, self._rechecks
        )

    def recorded(self, group: Sequence[Settled]) -> None:
        """Do nothing."""


@asynccontextmanager
async def session_fleet(
    order: RunOrder, settings: Settings, rows: RowJournal, open_targets: Mapping[str, int]
) -> AsyncIterator[SessionFleet | None]:
    """Open the clusters of a run; yields None if a stop is requested meanwhile.

    Raises as `reopen_fleet` and `WorkerPool.fleet`.
    """
    pool, began_at = settings.workers, order.clock.monotonic()
    names = None if pool is None else _home(order.info, order.plan)
    async with AsyncExitStack() as stack:
        opened: tuple[Sequence[ApiServer], Missing] | None = None
        with anyio.CancelScope() as opening:
            # A log-in may wait for a person. No PATCH is in flight yet, so it can be cancelled.
            order.stop.listen(lambda _cause: opening.cancel())
            opened = await stack.enter_async_context(
                reopen_fleet(order.info, order.plan, settings, names)
            )
        if opened is None:
            yield None
            return
        home, missing = opened
        fleet: SessionFleet | None = None
        if pool is None:
            rechecks = await stack.enter_async_context(rechecks_of(order))
            fleet = SessionFleet(home, home, missing, LocalLanes(order, home, rechecks))
        elif not any(open_targets.values()):
            # There is nothing to send, so no workers are needed.
            rechecks = Rechecks(order.info, order.plan, order.tables, read_only=True)
            fleet = SessionFleet((), home, missing, LocalLanes(order, (), rechecks))
        else:
            workers = await stack.enter_async_context(pool.fleet(order, rows, open_targets))
            if workers is not None:
                fleet = SessionFleet(workers.clusters, home, missing, workers)
        if order.others_send:
            with anyio.CancelScope() as waiting:
                order.stop.listen(lambda _cause: waiting.cancel())
                await order.clock.sleep(began_at + order.others_send - order.clock.monotonic())
            fleet = None if waiting.cancelled_caught else fleet
        yield fleet


def _home(info: RunInfo, plan: Plan) -> Collection[str]:
    """Return the clusters that the coordinator of workers uses itself: for Lease and checks."""
    names = [cluster.name for cluster in info.clusters if not cluster.missing]
    check = plan.waves.check if plan.waves else None
    if check is not None and check.command is None:
        return names
    return names[:1] if plan.lock else ()
