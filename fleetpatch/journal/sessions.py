"""The table `sessions`: who carried a run out, and when. It is for people, as `timeline` is."""

from typing import Final

import msgspec

from fleetpatch.journal import meta
from fleetpatch.journal.rows import Moment
from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.cause import Cause
from fleetpatch.model.run import RunState
from fleetpatch.model.timeline import SessionRecord

MAX_SESSIONS: Final = 500
"""Sessions that are kept, the newest ones: a year of nights, and more."""

_SESSIONS: Final = "SELECT began, ended, who, state, cause_code, cause FROM sessions ORDER BY id"
_BEGIN: Final = "INSERT INTO sessions VALUES (NULL, ?, NULL, ?, '', '', '')"
_END: Final = "UPDATE sessions SET ended = ?, state = ?, cause_code = ?, cause = ? WHERE id = ?"
_FORGET: Final = "DELETE FROM sessions WHERE id <= (SELECT max(id) FROM sessions) - ?"


class _Row(msgspec.Struct, array_like=True):
    began: Moment
    ended: Moment | None
    who: str
    state: str
    cause_code: str
    cause: str


def read(run: RunFile) -> list[SessionRecord]:
    """Read the sessions of a run, the oldest first; the newest ones where there are many."""
    with run.database.decoding():
        rows = [msgspec.convert(row, _Row) for row in run.database.rows(_SESSIONS)]
    return [
        SessionRecord(one.began, one.ended, one.who, one.state, one.cause_code, one.cause)
        for one in rows
    ]


def begin(run: RunFile, now: float, who: str, *, over_workers: bool = False) -> int:
    """Record that a session begins and the run is being applied; return the number of the session.

    `now` is in seconds since the epoch. `over_workers`: workers send the requests of the session.
    """
    with run.database.transaction() as connection:
        meta.put_state(run.database, RunState.RUNNING, None)
        run.database.put([("partly", 0), ("over_workers", int(over_workers))])
        number = connection.execute(_BEGIN, (now, who)).lastrowid
        connection.execute(_FORGET, (MAX_SESSIONS,))
    return number or 0


def end(
    run: RunFile, number: int, now: float, state: RunState, cause: Cause | None, *, partly: bool
) -> None:
    """Record the state of the run, and with it how the session `number` ended; 0 is none."""
    code, text = (cause.code.value, cause.text) if cause else ("", "")
    with run.database.transaction() as connection:
        meta.put_state(run.database, state, cause)
        run.database.put([("partly", int(partly))])
        connection.execute(_END, (now, state.value, code, text, number))
