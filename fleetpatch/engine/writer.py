"""Writes to the run file, one call at a time, in a thread.

A commit waits for the disk. In a thread it does not delay the event loop, and a lock ensures that
calls of the port `Journal` do not overlap.

Outcomes are committed in groups and logged afterwards, so a line in the log means that the run file
has the outcome. Outcomes that arrive during a commit, or within `COMMIT_INTERVAL` after it, form
the next group. A crash leaves at most one group in doubt, whose targets are read on resume.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias, TypeVar

import anyio
from anyio import to_thread
from anyio.streams.memory import MemoryObjectReceiveStream

from fleetpatch.engine import events
from fleetpatch.model.callbacks import ignore
from fleetpatch.model.outcome import OUTCOME_OF, Settlement
from fleetpatch.model.ports import Clock, Draft, Events, Journal, Progress
from fleetpatch.model.target import Target, TargetIdentity

T = TypeVar("T")


class LaneJournal(Protocol):
    """What a lane uses of the run file; see the methods of `Journal` with these names.

    `JournalWriter` calls it in this process. A lane of another process calls its coordinator.
    """

    async def claim(
        self, cluster: str, *, limit: int, last: int | None = None, after: int = 0
    ) -> Sequence[Target]:
        """See `Journal.claim`."""
        ...

    async def release(self, targets: Sequence[Target]) -> None:
        """See `Journal.release`."""
        ...

    async def in_doubt(self, cluster: str, *, after: int, limit: int) -> Sequence[Target]:
        """See `Journal.in_doubt`."""
        ...


class JournalWriter:
    """Serialises the calls of many tasks to the journal. Errors are raised to the caller."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._lock = anyio.Lock()

    async def add(self, drafts: Sequence[Draft]) -> None:
        """See `Journal.add`."""
        await self.write(lambda: self._journal.add(drafts))

    async def found(self) -> int:
        """See `Journal.found`."""
        return await self.write(self._journal.found)

    async def claim(
        self, cluster: str, *, limit: int, last: int | None = None, after: int = 0
    ) -> Sequence[Target]:
        """See `Journal.claim`."""
        return await self.write(
            lambda: self._journal.claim(cluster, limit=limit, last=last, after=after)
        )

    async def release(self, targets: Sequence[Target]) -> None:
        """See `Journal.release`."""
        await self.write(lambda: self._journal.release(targets))

    async def in_doubt(self, cluster: str, *, after: int, limit: int) -> Sequence[Target]:
        """See `Journal.in_doubt`."""
        return await self.write(lambda: self._journal.in_doubt(cluster, after=after, limit=limit))

    async def record(self, settlements: Sequence[Settlement]) -> None:
        """See `Journal.record`."""
        await self.write(lambda: self._journal.record(settlements))

    async def between_writes(self, change: Callable[[], T]) -> T:
        """Call `change` on the event loop's thread, while no write of a thread is under way."""
        async with self._lock:
            return change()

    async def write(self, change: Callable[[], T]) -> T:
        """Call `change` in a thread, while no other write is under way."""
        async with self._lock:
            # Not abandoned on cancellation: the thread would still run when the next call begins.
            return await to_thread.run_sync(change, abandon_on_cancel=False)


Settled: TypeAlias = tuple[TargetIdentity, Settlement]
Ended: TypeAlias = Sequence[Settled]
"""Targets of one lane that have ended, in that order: one, or those of a worker's report."""

COMMIT_INTERVAL = 0.1
"""Seconds between group commits: ten a second take 2 % of a core, whatever the rate of outcomes."""


class OutcomeWriter:
    """Records outcomes until the last worker has closed its stream.

    `on_recorded` is called with each group that the run file has. An error of the run file or of
    the log is raised, and ends the run.
    """

    def __init__(
        self,
        writer: JournalWriter,
        clock: Clock,
        log: Events,
        progress: Progress,
        on_recorded: Callable[[Sequence[Settled]], None] = ignore,
    ) -> None:
        self._on_recorded = on_recorded
        self._writer = writer
        self._clock = clock
        self._log = log
        self._progress = progress
        self._is_last = False
        self._pause: anyio.CancelScope | None = None

    def record_last(self) -> None:
        """Record what is left without a wait for more: all workers are done."""
        self._is_last = True
        if self._pause is not None:
            self._pause.cancel()

    async def run(self, inbox: MemoryObjectReceiveStream[Ended]) -> None:
        """Record every outcome; returns at the end of the stream."""
        async with inbox:
            async for first in inbox:
                group = [*first, *_ready(inbox)]
                # The order: a line in the log promises that the outcome is durable.
                await self._writer.record([settlement for _, settlement in group])
                self._on_recorded(group)
                self._report(group)
                # Once for each group: a system call costs more than a line.
                self._log.flush()
                # A wait that no outcome can follow would only delay the end.
                if not self._is_last:
                    with anyio.CancelScope() as self._pause:
                        await self._clock.sleep(COMMIT_INTERVAL)

    def _report(self, group: list[Settled]) -> None:
        events.target_settled(self._log, group)
        counts = Counter([settlement.reason for _, settlement in group])
        for reason, count in counts.items():
            self._progress.settled(OUTCOME_OF[reason], count)


def _ready(inbox: MemoryObjectReceiveStream[Ended]) -> list[Settled]:
    """Return what is in the stream, without waiting."""
    gathered: list[Settled] = []
    while True:
        try:
            gathered.extend(inbox.receive_nowait())
        except (anyio.WouldBlock, anyio.EndOfStream):
            return gathered
