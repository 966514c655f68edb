"""The one writer: every change of the run file passes here, one at a time, off the event loop.

A commit waits for the disk. In a thread it does not hold up the answers that arrive meanwhile, and
the lock keeps the journal's promise that calls never overlap.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import anyio
from anyio import to_thread

from fleetpatch.model.outcome import Settlement
from fleetpatch.model.ports import Draft, Journal
from fleetpatch.model.target import Target

T = TypeVar("T")


class Scribe:
    """Serves the journal to many tasks. A failure of the journal is raised to who asked."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._turn = anyio.Lock()

    async def add(self, drafts: Sequence[Draft]) -> None:
        """See `Journal.add`."""
        await self._write(lambda: self._journal.add(drafts))

    async def found(self) -> int:
        """See `Journal.found`."""
        return await self._write(self._journal.found)

    async def claim(
        self, cluster: str, limit: int, last: int | None = None, after: int = 0
    ) -> Sequence[Target]:
        """See `Journal.claim`."""
        return await self._write(lambda: self._journal.claim(cluster, limit, last, after))

    async def release(self, targets: Sequence[Target]) -> None:
        """See `Journal.release`."""
        await self._write(lambda: self._journal.release(targets))

    async def in_doubt(self, cluster: str, after: int, limit: int) -> Sequence[Target]:
        """See `Journal.in_doubt`."""
        return await self._write(lambda: self._journal.in_doubt(cluster, after, limit))

    async def record(self, settlements: Sequence[Settlement]) -> None:
        """See `Journal.record`."""
        await self._write(lambda: self._journal.record(settlements))

    async def _write(self, change: Callable[[], T]) -> T:
        async with self._turn:
            # Not abandoned on cancellation: the thread would go on beside the next one's.
            return await to_thread.run_sync(change, abandon_on_cancel=False)
