"""The table `claims`: ranges of targets for which a PATCH may have been sent. They never overlap.

A claim is usually one row, since targets are claimed in the order of their ids. Its range may
include targets that have an outcome already, which stays valid. `release` cuts holes into ranges,
and a later claim across such holes is stored as several rows.

A target without a claim and without an outcome is pending; one with a claim only is in doubt.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Final

from fleetpatch.journal import meta
from fleetpatch.journal.codec import PLAIN_COLUMNS, TARGET_COLUMNS, Row
from fleetpatch.journal.database import Database
from fleetpatch.journal.schema import CLAIMED

_OPEN: Final = """
FROM targets t WHERE t.id BETWEEN ? AND ?
AND NOT EXISTS (SELECT 1 FROM outcomes WHERE target = t.id)
"""
# One value for each row: Python's module for SQLite takes a lock for each value that it reads.
_PENDING: Final = f"""
SELECT json_array({TARGET_COLUMNS}) {_OPEN} AND NOT {CLAIMED} ORDER BY t.id LIMIT ?
"""
_PENDING_UNCLAIMED: Final = f"SELECT json_array({PLAIN_COLUMNS}) {_OPEN} ORDER BY t.id LIMIT ?"
_IS_PLAIN: Final = """
SELECT NOT EXISTS (SELECT 1 FROM earlier_writes) AND NOT EXISTS (SELECT 1 FROM computed)
AND coalesce((SELECT last < ? FROM claims WHERE first <= ? ORDER BY first DESC LIMIT 1), 1)
"""
"""Whether no target of a range is claimed, and what a target seldom has is in no table."""
_IN_DOUBT: Final = f"""
SELECT {TARGET_COLUMNS} FROM claims k JOIN targets t ON t.id BETWEEN k.first AND k.last
WHERE k.first BETWEEN ? AND ? AND t.id > ?
AND NOT EXISTS (SELECT 1 FROM outcomes WHERE target = t.id)
ORDER BY k.first, t.id LIMIT ?
"""  # noqa: S608 # of our own constants alone
_BETWEEN: Final = "SELECT EXISTS (SELECT 1 FROM claims WHERE first BETWEEN ? AND ?)"
_AROUND: Final = (
    "SELECT first, last, claimed_at FROM claims WHERE first <= ? ORDER BY 1 DESC LIMIT 1"
)
_INSERT: Final = "INSERT INTO claims VALUES (?, ?, ?)"


def pending(connection: sqlite3.Connection, first: int, last: int, limit: int) -> list[str]:
    """Return pending targets with ids from `first` to `last`, within a transaction.

    Each is a row as JSON, for `codec.json_rows`.
    """
    # Ranges do not overlap, so the last one that begins in or before the targets ends last, too.
    (is_plain,) = connection.execute(_IS_PLAIN, (first, last)).fetchone()
    query = _PENDING_UNCLAIMED if is_plain else _PENDING
    return [text for (text,) in connection.execute(query, (first, last, limit))]


def in_doubt(database: Database, first: int, last: int, *, after: int, limit: int) -> Iterator[Row]:
    """Return the rows of targets in doubt, by id, with ids greater than `after`.

    `first` and `last` are the ids of the first and the last target of a cluster.
    """
    return database.rows(_IN_DOUBT, first, last, after, limit)


def add(database: Database, ids: Sequence[int], now: float) -> None:
    """Claim targets within a transaction; `ids` are ascending, and none of them is claimed."""
    first, last = ids[0], ids[-1]
    # Ranges must not overlap, because `CLAIMED` looks at one range only. A range that was claimed
    # before can only lie within this one.
    (overlap,) = database.connection.execute(_BETWEEN, (first, last)).fetchone()
    ranges = list(_runs(ids)) if overlap else [(first, last)]
    database.connection.executemany(_INSERT, [(*ends, now) for ends in ranges])
    meta.add_to_row_count(database, "claims", len(ranges))


def release(database: Database, ids: Sequence[int]) -> None:
    """Remove targets from their ranges, within a transaction; ids without a claim are ignored."""
    connection = database.connection
    for number in ids:
        around = connection.execute(_AROUND, (number,)).fetchone()
        if around is None or around[1] < number:
            continue
        first, last, claimed_at = around
        connection.execute("DELETE FROM claims WHERE first = ?", (first,))
        # What is left and right of the target stays claimed, since the time of the old claim.
        rest = [ends for ends in ((first, number - 1), (number + 1, last)) if ends[0] <= ends[1]]
        connection.executemany(_INSERT, [(*ends, claimed_at) for ends in rest])
        meta.add_to_row_count(database, "claims", len(rest) - 1)


def _runs(ids: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Split ascending numbers into ranges without gaps."""
    first = last = ids[0]
    for number in ids[1:]:
        if number > last + 1:
            yield first, last
            first = number
        last = number
    yield first, last
