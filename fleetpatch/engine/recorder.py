"""The recorder: outcomes from all workers, committed in groups, then told to log and progress.

The record comes first, the story after it: a line in the log means that the run file has it. While
a group is committed and for `linger` seconds after, outcomes gather for the next one; a crash
therefore leaves at most so much in doubt, which reading settles.
"""

from collections import Counter
from typing import TypeAlias

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream

from fleetpatch.engine.scribe import Scribe
from fleetpatch.model.outcome import Settlement
from fleetpatch.model.ports import Clock, Events, Progress
from fleetpatch.model.target import Target
from fleetpatch.rules.narrating import tell

Settled: TypeAlias = tuple[Target, Settlement]

LINGER = 0.05
"""Seconds between group commits: 20 a second cost next to nothing, at any rate of outcomes."""


class Recorder:
    """Records until the last worker has hung up. An error of the run file ends the run."""

    def __init__(self, scribe: Scribe, clock: Clock, events: Events, progress: Progress) -> None:
        self._scribe = scribe
        self._clock = clock
        self._events = events
        self._progress = progress

    async def run(self, inbox: MemoryObjectReceiveStream[Settled]) -> None:
        """Record all that comes in; returns at the end of the stream."""
        async with inbox:
            async for first in inbox:
                group = [first, *_at_hand(inbox)]
                await self._scribe.record([settlement for _, settlement in group])
                self._tell(group)
                self._events.flush()
                # After the last worker has hung up there is nobody to linger for.
                if inbox.statistics().open_send_streams:
                    await self._clock.sleep(LINGER)

    def _tell(self, group: list[Settled]) -> None:
        for target, settlement in group:
            tell(self._events, target, settlement)
        counts = Counter(settlement.outcome for _, settlement in group)
        for outcome, count in counts.items():
            self._progress.settled(outcome, count)


def _at_hand(inbox: MemoryObjectReceiveStream[Settled]) -> list[Settled]:
    """What has gathered meanwhile, without waiting."""
    gathered: list[Settled] = []
    while True:
        try:
            gathered.append(inbox.receive_nowait())
        except (anyio.WouldBlock, anyio.EndOfStream):
            return gathered
