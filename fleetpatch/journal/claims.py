"""The table `claims`: ranges of targets that may have been sent. They never overlap.

A claim is one row of any length, since targets are claimed in the order of their ids. It may cover
targets that have ended already, which changes nothing for them. Releasing targets cuts holes into
the ranges, and a claim that spans such holes is stored as several rows.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from fleetpatch.journal import meta
from fleetpatch.journal.database import Database

_BETWEEN: Final = "SELECT EXISTS (SELECT 1 FROM claims WHERE first BETWEEN ? AND ?)"
_AROUND: Final = (
    "SELECT first, last, claimed_at FROM claims WHERE first <= ? ORDER BY 1 DESC LIMIT 1"
)
_TAKE: Final = "INSERT INTO claims VALUES (?, ?, ?)"


def take(database: Database, ids: Sequence[int], now: float) -> None:
    """Claim targets, ascending and none of them claimed, within a transaction."""
    first, last = ids[0], ids[-1]
    # Ranges must not overlap: `CLAIMED` looks at one range only.
    (interrupted,) = database.connection.execute(_BETWEEN, (first, last)).fetchone()
    ranges = list(_runs(ids)) if interrupted else [(first, last)]
    database.connection.executemany(_TAKE, [(*ends, now) for ends in ranges])
    meta.grow(database, "claims", len(ranges))


def give_back(database: Database, ids: Sequence[int]) -> None:
    """Cut targets out of the ranges they lie in, within a transaction; others stay as they are."""
    connection = database.connection
    for number in ids:
        around = connection.execute(_AROUND, (number,)).fetchone()
        if around is None or around[1] < number:
            continue  # not claimed: nothing to give back
        first, last, claimed_at = around
        connection.execute("DELETE FROM claims WHERE first = ?", (first,))
        rest = [ends for ends in ((first, number - 1), (number + 1, last)) if ends[0] <= ends[1]]
        connection.executemany(_TAKE, [(*ends, claimed_at) for ends in rest])
        meta.grow(database, "claims", len(rest) - 1)


def _runs(ids: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Split ascending numbers into ranges without gaps."""
    first = last = ids[0]
    for number in ids[1:]:
        if number > last + 1:
            yield first, last
            first = number
        last = number
    yield first, last
