"""The pipeline: concurrent lanes and one writer of outcomes, in one task group.

::

    run file --claim--> feeder --> workers --PATCH--> server
        ^                             |
        `---------- writer <----------'
"""

from collections.abc import Collection, Sequence
from typing import Protocol

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from fleetpatch.engine.concurrency import unwrapped_group
from fleetpatch.engine.writer import Ended, OutcomeWriter
from fleetpatch.model.cause import Cause
from fleetpatch.model.pace import Ceilings, Pace

_OUTBOX = 1024
"""Outcomes that may wait for the writer; more than one commit interval had at any measured rate."""


class Runnable(Protocol):
    """What the pipeline needs of a lane."""

    async def run(self, outbox: MemoryObjectSendStream[Ended]) -> None:
        """Work until no target is pending or the lane is stopped; close `outbox`, its own clone."""
        ...


class RunLane(Runnable, Protocol):
    """A lane of a run, here (`engine.lane`) or on a worker; `Lane` documents the attributes."""

    last: int | None
    has_unreadable: bool

    @property
    def cluster(self) -> str:
        """The name of the lane's cluster."""
        ...

    @property
    def causes(self) -> Collection[Cause]:
        """Why targets are still open after `run`."""
        ...

    @property
    def given_up(self) -> bool:
        """Whether targets are open because of the cluster, not because of single objects."""
        ...

    @property
    def worker(self) -> str:
        """The name of the worker that sends the lane's requests; empty if this process does."""
        ...

    @property
    def in_flight(self) -> int:
        """The number of requests that are not answered yet."""
        ...

    @property
    def pace(self) -> Pace:
        """The pace at the moment, and what limits it."""
        ...

    def set_ceilings(self, ceilings: Ceilings) -> None:
        """Follow other ceilings from now on, with the workers that they need."""
        ...

    def stop(self, cause: Cause) -> None:
        """Send nothing new; requests in flight are awaited for a bounded time."""
        ...


async def run(lanes: Sequence[Runnable], writer: OutcomeWriter) -> None:
    """Run all lanes; afterwards their `causes` say why targets are still open.

    Raises RunFileError, which cancels all lanes: without a record nothing may be sent.
    """
    outbox, inbox = anyio.create_memory_object_stream[Ended](_OUTBOX)
    with unwrapped_group():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(writer.run, inbox)
            # Closed at the end, and each lane closes its clone: then the writer reaches the end of
            # the stream.
            async with outbox, anyio.create_task_group() as working:
                for lane in lanes:
                    working.start_soon(lane.run, outbox.clone())
            writer.record_last()
