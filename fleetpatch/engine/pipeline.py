"""The pipeline: concurrent lanes and one writer of outcomes, in one task group.

::

    run file --claim--> feeder --> workers --PATCH--> server
        ^                             |
        `---------- writer <----------'
"""

from collections.abc import Sequence

import anyio

from fleetpatch.engine.concurrency import unwrapped_group
from fleetpatch.engine.lane import Lane
from fleetpatch.engine.writer import OutcomeWriter, Settled

_OUTBOX = 1024
"""Outcomes that may wait for the writer; more than one commit interval had at any measured rate."""


async def run(lanes: Sequence[Lane], writer: OutcomeWriter) -> None:
    """Run all lanes; afterwards `Lane.causes` says why targets are still open.

    Raises RunFileError, which cancels all lanes: without a record nothing may be sent.
    """
    outbox, inbox = anyio.create_memory_object_stream[Settled](_OUTBOX)
    with unwrapped_group():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(writer.run, inbox)
            for lane in lanes:
                tasks.start_soon(lane.run, outbox.clone())
            # Each lane closes its clone. When all have, the writer reaches the end of the stream.
            outbox.close()
