"""The table `outcomes`: how targets ended, each at most once.

When failed targets are reopened their outcomes are deleted. What the server stored of the change is
kept in `earlier_writes`, since an undo needs it.
"""

from collections.abc import Sequence
from typing import Final

from fleetpatch.journal import meta
from fleetpatch.journal.codec import Row
from fleetpatch.journal.database import Database
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.outcome import Reason
from fleetpatch.model.run import RunState

_INSERT: Final = "INSERT INTO outcomes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_REOPENED: Final = "attempts > 0 AND instr(' ' || ? || ' ', ' ' || reason || ' ')"
_REOPEN: Final = f"DELETE FROM outcomes WHERE {_REOPENED}"  # noqa: S608 # of our own constants
_KEEP_WRITES: Final = f"""
INSERT OR REPLACE INTO earlier_writes
SELECT target, wrote, coalesce(replaced, (SELECT before FROM targets WHERE id = target))
FROM outcomes WHERE wrote IS NOT NULL AND {_REOPENED}
"""  # noqa: S608 # of our own constants
_REOPENED_CAUSE: Final = Cause(CauseCode.FAILED_REOPENED, "failed targets were reopened")


def add(database: Database, rows: Sequence[Row]) -> None:
    """Add outcomes, within a transaction. A target that has one already is an error of SQLite."""
    database.connection.executemany(_INSERT, rows)
    meta.add_to_row_count(database, "outcomes", len(rows))


def reopen(database: Database, reasons: Sequence[Reason]) -> int:
    """Delete the outcomes with these reasons, within a transaction; return their number.

    If there are any, the run is paused, whatever its state was. Only outcomes of targets for which
    a PATCH was sent are deleted.
    """
    wanted = " ".join(reasons)
    database.connection.execute(_KEEP_WRITES, (wanted,))
    reopened = database.connection.execute(_REOPEN, (wanted,)).rowcount
    meta.add_to_row_count(database, "outcomes", -reopened)
    if reopened:
        meta.put_state(database, RunState.PAUSED, _REOPENED_CAUSE)
    return reopened
