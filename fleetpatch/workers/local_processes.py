"""The worker processes of this machine, started once for all that a command does.

A command may have several event loops, one after another: it plans, asks, and applies. So Dask runs
in a thread with an event loop of its own.
"""

import threading
from contextlib import ExitStack

from anyio import to_thread
from anyio.from_thread import start_blocking_portal

from fleetpatch.workers.dask import DaskCluster, local_cluster


class LocalProcesses:
    """Starts so many processes when they are needed first; `close` ends them."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._cluster: DaskCluster | None = None
        self._stack = ExitStack()
        self._starting = threading.Lock()

    async def cluster(self) -> DaskCluster:
        """Return the Dask cluster of the processes."""
        # A command that is interrupted does not wait for the start, but `close` does.
        return await to_thread.run_sync(self._started, abandon_on_cancel=True)

    def _started(self) -> DaskCluster:
        with self._starting:
            if self._cluster is None:
                portal = self._stack.enter_context(start_blocking_portal())
                opening = portal.wrap_async_context_manager(local_cluster(self._processes))
                self._cluster = self._stack.enter_context(opening)
            return self._cluster

    def close(self) -> None:
        """End the processes, if they were started."""
        with self._starting:
            self._cluster = None
            self._stack.close()
