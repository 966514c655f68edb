"""The table `outcomes`: how targets ended, each at most once.

When failed targets are reopened their outcomes are deleted. What the server stored of the change is
kept in `earlier_writes`, since an undo needs it.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final, NamedTuple

from fleetpatch.journal import codec, meta
from fleetpatch.journal.codec import Row
from fleetpatch.journal.database import Database
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.outcome import Reason, Settlement
from fleetpatch.model.run import RunState

_COLUMNS: Final = (
    "target, reason, http_status, attempts, reads, elapsed_ms, resource_version, detail, settled_at"
)
_INSERT: Final = f"INSERT INTO outcomes ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
_INSERT_ALL: Final = f"""
INSERT INTO outcomes ({_COLUMNS}, replaced, wrote) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""  # noqa: S608 # of our own constants
_TOGETHER: Final = 16
"""Rows of one statement: each call of SQLite costs as much as half a row."""
_INSERT_TOGETHER: Final = _INSERT + ", (?, ?, ?, ?, ?, ?, ?, ?, ?)" * (_TOGETHER - 1)
_REOPENED: Final = "attempts > 0 AND instr(' ' || ? || ' ', ' ' || reason || ' ')"
_REOPEN: Final = f"DELETE FROM outcomes WHERE {_REOPENED}"  # noqa: S608 # of our own constants
_KEEP_WRITES: Final = f"""
INSERT OR REPLACE INTO earlier_writes
SELECT target, wrote, coalesce(replaced, (SELECT before FROM targets WHERE id = target))
FROM outcomes WHERE wrote IS NOT NULL AND {_REOPENED}
"""  # noqa: S608 # of our own constants
_PUT_BACK: Final = """
SELECT EXISTS (
    SELECT 1 FROM outcomes o JOIN reasons r ON r.reason = o.reason
    WHERE r.outcome = 'applied' OR (r.outcome = 'unchanged' AND o.attempts > 0)
    OR o.reason = 'not-effective' OR o.wrote IS NOT NULL
) OR EXISTS (SELECT 1 FROM earlier_writes) OR EXISTS (
    SELECT 1 FROM claims k JOIN targets t ON t.id BETWEEN k.first AND k.last
    WHERE NOT EXISTS (SELECT 1 FROM outcomes WHERE target = t.id)
)
"""
_REOPENED_CAUSE: Final = Cause(CauseCode.FAILED_REOPENED, "failed targets were reopened")


class Rows(NamedTuple):
    """Rows of outcomes: those with neither `replaced` nor `wrote`, and all columns of the others.

    They differ because Python's module for SQLite takes as long for a None as for many values.
    """

    plain: Sequence[Row]
    others: Sequence[Row]


def rows_of(settlements: Iterable[Settlement], now: float) -> Rows:
    """Encode settlements that are recorded at the moment `now`."""
    plain: list[Settlement] = []
    others: list[Settlement] = []
    for one in settlements:
        (plain if one.replaced is None and one.wrote is None else others).append(one)
    fields = map(codec.settlement_fields, others)
    rows = zip(codec.settlement_rows(others, now), fields, strict=True)
    return Rows(codec.settlement_rows(plain, now), [(*row, *two) for row, two in rows])


def add(database: Database, rows: Rows) -> None:
    """Add outcomes, within a transaction. A target that has one already is an error of SQLite."""
    connection = database.connection
    left = len(rows.plain) % _TOGETHER
    for start in range(left, len(rows.plain), _TOGETHER):
        some = rows.plain[start : start + _TOGETHER]
        connection.execute(_INSERT_TOGETHER, list(chain.from_iterable(some)))
    connection.executemany(_INSERT, rows.plain[:left])
    connection.executemany(_INSERT_ALL, rows.others)
    meta.add_to_row_count(database, "outcomes", len(rows.plain) + len(rows.others))


def may_have_put_back(database: Database) -> bool:
    """Return whether an undo has put something back, at least in part, or left it in doubt.

    An object that had its earlier value already when its PATCH was answered counts, too.
    """
    (found,) = next(database.rows(_PUT_BACK))
    return bool(found)


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
