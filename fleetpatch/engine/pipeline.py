"""The pipeline: lanes side by side, one recorder, one task group.

::

    run file --claim--> feeder --> workers --PATCH--> server
        ^                             |
        `--------- recorder <---------'
"""

from collections.abc import Sequence

import anyio

from fleetpatch.engine.concurrency import unwrapped_group
from fleetpatch.engine.lane import Lane
from fleetpatch.engine.writer import OutcomeWriter, Settled

_OUTBOX = 1024
"""Outcomes that may wait for the recorder; more than one group's worth at any rate seen."""


async def run(lanes: Sequence[Lane], recorder: OutcomeWriter) -> tuple[str, ...]:
    """Bring the pending targets of all lanes to their ends.

    Returns the causes for which targets were left open, sorted; empty where none was. Raises what
    the run file raises: without a record nothing more is sent.
    """
    outbox, inbox = anyio.create_memory_object_stream[Settled](_OUTBOX)
    with unwrapped_group():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(recorder.run, inbox)
            for lane in lanes:
                tasks.start_soon(lane.run, outbox.clone())
            outbox.close()
    return tuple(sorted({cause for lane in lanes for cause in lane.causes}))
