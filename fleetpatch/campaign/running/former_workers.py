"""The workers of a session that was killed: they may send for some seconds after its end.

A worker stops at its send deadline, which its coordinator extends. So the next session of the run,
over workers or not, waits until the last deadline that can have been given has passed.
"""

from typing import Final

from fleetpatch.journal import queries
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.runs import heartbeat
from fleetpatch.model.ports import Clock
from fleetpatch.model.run import RunState

MAX_SEND_PERIOD: Final = 5.0
"""Seconds for which a worker may send after a report that was answered, at most."""


def seconds_left(journal: RunFile, clock: Clock) -> float:
    """Return for how long workers of a session that was killed may still send; 0: none may.

    It was alive at its last heartbeat, and when it recorded its last outcomes. Without a heartbeat
    it may have been killed right now.
    """
    # Any other end than by a kill changes the state.
    if journal.state is not RunState.RUNNING or not journal.was_over_workers:
        return 0.0
    beats = journal.heartbeats
    if beats is None or beats.former is None:
        return MAX_SEND_PERIOD
    # Heartbeats are a second apart, or more where a process gets no CPU time. By a clock that was
    # set back meanwhile, all of it is left.
    recorded_at = queries.recorded_at(journal) or 0.0
    alive_until = max(beats.former.written_at + heartbeat.INTERVAL, recorded_at)
    return min(MAX_SEND_PERIOD, max(0.0, alive_until + MAX_SEND_PERIOD - clock.wall()))
