"""The port through which a session reaches its workers; `fleetpatch.workers` implements it."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from fleetpatch.campaign.clusters import ReadCluster
from fleetpatch.campaign.running.lanes import Guard, Listeners, RunCluster, RunOrder
from fleetpatch.campaign.running.target_rows import RowJournal
from fleetpatch.campaign.settings import Settings
from fleetpatch.engine.pipeline import RunLane
from fleetpatch.engine.writer import Settled
from fleetpatch.model.pace import Ceilings
from fleetpatch.model.run import RunInfo


class WorkerFleet(Protocol):
    """The clusters of a run whose requests workers send."""

    clusters: Sequence[RunCluster]

    def lane(
        self, cluster: str, guards: Sequence[Guard], ceilings: Ceilings, listeners: Listeners
    ) -> RunLane:
        """Create the lane of one cluster."""
        ...

    def recorded(self, group: Sequence[Settled]) -> None:
        """The run file has these outcomes now."""
        ...


class WorkerPool(Protocol):
    """Worker processes."""

    def reading(
        self, info: RunInfo, settings: Settings, tables: bytes = b""
    ) -> AbstractAsyncContextManager[Sequence[ReadCluster]]:
        """Let workers read the clusters of a run until the block ends.

        They evaluate the expressions of its plan, which may look up `tables`.
        Those of the run, or, before it has any, those of its plan. Raises as `fleet`.
        """
        ...

    def fleet(
        self, order: RunOrder, rows: RowJournal, open_targets: Mapping[str, int]
    ) -> AbstractAsyncContextManager[WorkerFleet | None]:
        """Let workers carry out a run until the block ends.

        `rows` are its targets, `open_targets` the work that is left in each cluster. Yields None if
        a stop is requested before the workers are ready. Raises UnreachableError if there are no
        workers, and UsageError if their versions differ from ours or they lack the credentials of a
        cluster.
        """
        ...
