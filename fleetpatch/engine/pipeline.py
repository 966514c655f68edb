"""The pipeline: lanes side by side, one writer of outcomes, one task group.

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
"""Outcomes that may wait for the writer: more than one group's worth at any rate measured."""


async def run(lanes: Sequence[Lane], writer: OutcomeWriter) -> None:
    """Bring the pending targets of all lanes to their ends; `Lane.causes` says why others are open.

    Raises what the run file raises: without a record nothing more is sent.
    """
    outbox, inbox = anyio.create_memory_object_stream[Settled](_OUTBOX)
    with unwrapped_group():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(writer.run, inbox)
            for lane in lanes:
                tasks.start_soon(lane.run, outbox.clone())
            # Each lane closes its clone. When all have, the writer reaches the end of the stream.
            outbox.close()
