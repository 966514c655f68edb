"""Queries for the report of a run: messages, retries, and from when to when its waves were sent.

As those of `queries`, they read the run file as it is, and cache nothing.
"""

from collections.abc import Collection, Iterator
from typing import Final

import msgspec

from fleetpatch.journal.codec import moment
from fleetpatch.journal.rows import NonNegative
from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.outcome import Reason

_MESSAGES: Final = """
SELECT target, reason, detail FROM outcomes
WHERE reason IN (SELECT value FROM json_each(?)) ORDER BY target
"""
_EFFORTS: Final = """
SELECT reason, min(attempts, ?), reads > 0, count(*) FROM outcomes
WHERE attempts > 1 OR reads > 0 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
_SPAN: Final = """
SELECT (SELECT min(claimed_at) FROM claims WHERE first BETWEEN ? AND ?),
       (SELECT max(settled_at) FROM outcomes WHERE target BETWEEN ? AND ? AND attempts + reads > 0)
"""


class _Message(msgspec.Struct, array_like=True, gc=False):
    target: int
    reason: Reason
    detail: str


class EffortRow(msgspec.Struct, array_like=True, gc=False):
    """How many targets ended with a reason after so many PATCHes, with a read or without one."""

    reason: Reason
    attempts: NonNegative
    was_read: int
    count: NonNegative


def messages(run: RunFile, reasons: Collection[Reason]) -> Iterator[tuple[int, Reason, str]]:
    """Stream id, reason and detail of the targets that ended with these reasons, by id."""
    chosen = msgspec.json.encode(sorted(reason.value for reason in reasons)).decode()
    with run.database.decoding():
        for row in run.database.rows(_MESSAGES, chosen):
            one = msgspec.convert(row, _Message)
            yield one.target, one.reason, one.detail


def efforts(run: RunFile, most: int) -> list[EffortRow]:
    """Count the targets that took more than one PATCH, or a read; `most` PATCHes and more as one.

    In the order of the reasons' names.
    """
    with run.database.decoding():
        return [msgspec.convert(row, EffortRow) for row in run.database.rows(_EFFORTS, most)]


def wave_span(run: RunFile, number: int) -> tuple[float | None, float | None]:
    """Return when the first target of a wave, from 1, was claimed, and when its last one ended."""
    begins: list[float] = []
    ends: list[float] = []
    with run.database.decoding():
        for first, last in run.ids_of_wave(number).values():
            (row,) = run.database.rows(_SPAN, first, last, first, last)
            for found, known in zip(map(moment, row), (begins, ends), strict=True):
                if found is not None:
                    known.append(found)
    return min(begins, default=None), max(ends, default=None)
