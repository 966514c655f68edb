"""The table `timeline`: what was observed of a run over time, in bounded space.

It is for people: nothing is decided by it, and the seal does not cover it. In a run file of an
earlier version it is empty.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from fleetpatch.journal.database import Database
from fleetpatch.journal.errors import DAMAGED, run_file_error
from fleetpatch.journal.rows import Moment
from fleetpatch.model.timeline import MAX_BUCKETS, Bucket, Timeline

_WIDEST: Final = 2**32
_BUCKETS: Final = "SELECT start, width, content FROM timeline ORDER BY start"
_WIDTH: Final = "SELECT max(width) FROM timeline"
_BUCKET: Final = "SELECT content FROM timeline WHERE start = ?"
_PUT: Final = "INSERT OR REPLACE INTO timeline VALUES (?, ?, ?)"

_decoder: Final = msgspec.json.Decoder(Bucket)
_encode: Final = msgspec.json.Encoder().encode


class _Row(msgspec.Struct, array_like=True):
    start: Moment
    width: int
    content: str


def read(database: Database) -> Timeline:
    """Read the timeline of a run; an empty one where nothing was recorded."""
    found = Timeline()
    with database.decoding():
        for row in database.rows(_BUCKETS):
            one = msgspec.convert(row, _Row)
            if not 0 < one.width <= _WIDEST or one.width & (one.width - 1):
                raise run_file_error(database.path, DAMAGED)
            found.widen(one.width)
            found.add(one.start, _decoder.decode(one.content))
    return found


def add(database: Database, new: Timeline) -> None:
    """Add what was observed, within a transaction."""
    if not new:
        return
    ((width,),) = database.rows(_WIDTH)
    if width is None or width >= new.width:
        # Most often: one bucket, which exists already or is the next one.
        new.widen(width or new.width)
        _add_buckets(database, new)
        ((count,),) = database.rows("SELECT count(*) FROM timeline")
        if count <= MAX_BUCKETS:
            return
        new = Timeline(new.width)
    known = read(database)
    known.update(new)
    database.connection.execute("DELETE FROM timeline")
    _put(database, known.width, known.buckets.items())


def _add_buckets(database: Database, new: Timeline) -> None:
    added = []
    with database.decoding():
        for start, bucket in new.buckets.items():
            known = [_decoder.decode(content) for (content,) in database.rows(_BUCKET, start)]
            added.append((start, sum(known, bucket)))
    _put(database, new.width, added)


def _put(database: Database, width: int, buckets: Iterable[tuple[int, Bucket]]) -> None:
    rows = [(start, width, _encode(bucket).decode()) for start, bucket in buckets]
    database.connection.executemany(_PUT, rows)
