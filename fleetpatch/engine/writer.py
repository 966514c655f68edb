"""The one writer: every change of the run file passes here, one at a time, off the event loop.

A commit waits for the disk. In a thread it does not hold up the answers that arrive meanwhile, and
the lock keeps the journal's promise that calls never overlap.

The recorder: outcomes from all workers, committed in groups, then told to log and progress.

The record comes first, the story after it: a line in the log means that the run file has it. While
a group is committed and for `linger` seconds after, outcomes gather for the next one; a crash
therefore leaves at most so much in doubt, which reading settles.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar

import anyio
from anyio import to_thread
from anyio.streams.memory import MemoryObjectReceiveStream

from fleetpatch.engine import events
from fleetpatch.model.outcome import Settlement
from fleetpatch.model.ports import Clock, Draft, Events, Journal, Progress
from fleetpatch.model.target import Target

T = TypeVar("T")


class JournalWriter:
    """Serves the journal to many tasks. A failure of the journal is raised to who asked."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._lock = anyio.Lock()

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
        async with self._lock:
            # Not abandoned on cancellation: the thread would go on beside the next one's.
            return await to_thread.run_sync(change, abandon_on_cancel=False)


Settled: TypeAlias = tuple[Target, Settlement]

COMMIT_INTERVAL = 0.05
"""Seconds between group commits: 20 a second cost next to nothing, at any rate of outcomes."""


class OutcomeWriter:
    """Records until the last worker has hung up. An error of the run file ends the run."""

    def __init__(
        self, writer: JournalWriter, clock: Clock, log: Events, progress: Progress
    ) -> None:
        self._writer = writer
        self._clock = clock
        self._log = log
        self._progress = progress

    async def run(self, inbox: MemoryObjectReceiveStream[Settled]) -> None:
        """Record all that comes in; returns at the end of the stream."""
        async with inbox:
            async for first in inbox:
                group = [first, *_ready_items(inbox)]
                await self._writer.record([settlement for _, settlement in group])
                self._report(group)
                self._log.flush()
                # After the last worker has hung up there is nobody to linger for.
                if inbox.statistics().open_send_streams:
                    await self._clock.sleep(COMMIT_INTERVAL)

    def _report(self, group: list[Settled]) -> None:
        for target, settlement in group:
            events.target_settled(self._log, target, settlement)
        counts = Counter(settlement.outcome for _, settlement in group)
        for outcome, count in counts.items():
            self._progress.settled(outcome, count)


def _ready_items(inbox: MemoryObjectReceiveStream[Settled]) -> list[Settled]:
    """What has gathered meanwhile, without waiting."""
    gathered: list[Settled] = []
    while True:
        try:
            gathered.append(inbox.receive_nowait())
        except (anyio.WouldBlock, anyio.EndOfStream):
            return gathered
