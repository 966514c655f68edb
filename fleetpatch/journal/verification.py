"""What verifications found, in the run file: the latest one replaces the one before it.

`meta.verification` has the counts. The table `verified` has the targets that do not hold, at most
`KEPT` of them, so that the run file grows by a bounded size.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Final

import msgspec

from fleetpatch.journal import codec, meta
from fleetpatch.journal.rows import Moment
from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.target import Target
from fleetpatch.model.verification import (
    MANAGERS_KEPT,
    OwnerCount,
    Verification,
    Verified,
    VerifiedTarget,
    VerifyResult,
)

KEPT: Final = 100_000
"""Rows of `verified` at most; the counts are of all targets."""

_OWNED: Final = frozenset({VerifyResult.HOLDS, VerifyResult.REVERTED, VerifyResult.CHANGED})
"""Results of objects whose fields may have an owner."""

_CREATE: Final = "CREATE TEMP TABLE IF NOT EXISTS verifying AS SELECT * FROM verified LIMIT 0"
_ADD: Final = "INSERT INTO verifying VALUES (?, ?, ?, ?, ?)"
_REPLACE: Final = (
    "DELETE FROM verified",
    "INSERT INTO verified SELECT * FROM verifying",
    "DELETE FROM verifying",
)
_LISTED: Final = f"""
SELECT v.result, v.manager, v.since, v.detail, {codec.TARGET_COLUMNS}
FROM verified v JOIN targets t ON t.id = v.target
WHERE v.result IN (SELECT value FROM json_each(?)) ORDER BY t.id LIMIT ?
"""  # noqa: S608 # of our own constants alone
_TARGET_FROM: Final = 4
_LAST_SUCCESS: Final = """
SELECT max(o.settled_at) FROM outcomes o JOIN reasons r ON r.reason = o.reason
WHERE r.outcome = 'applied' AND o.target BETWEEN ? AND ?
"""


class _Row(msgspec.Struct, array_like=True, gc=False):
    result: VerifyResult
    manager: Annotated[str, msgspec.Meta(max_length=1000)]
    since: Moment | None
    detail: str


def not_holding(
    run: RunFile, results: Collection[VerifyResult] = frozenset(VerifyResult), limit: int = KEPT
) -> Iterator[VerifiedTarget]:
    """Stream what the latest verification found of the targets that do not hold, in plan order.

    Of many only `KEPT` were kept; `latest` has the numbers of all.
    """
    chosen = msgspec.json.encode([result.value for result in results]).decode()
    with run.database.decoding():
        for row in run.database.rows(_LISTED, chosen, limit):
            found = msgspec.convert(row[:_TARGET_FROM], _Row)
            target = codec.target(row[_TARGET_FROM:], run.clusters, run.resources)
            verified = Verified(found.result, found.manager, found.since, found.detail)
            yield VerifiedTarget(target, verified)


def last_success(run: RunFile, ids: Mapping[str, tuple[int, int]]) -> float | None:
    """Return when the last of the targets was applied, in seconds since the epoch; None if none.

    `ids` are the first and the last id of the targets in each cluster.
    """
    found = [
        codec.moment(moment)
        for first, last in ids.values()
        for (moment,) in run.database.rows(_LAST_SUCCESS, first, last)
    ]
    return max(_known(found), default=None)


class VerificationTable:
    """Collects what a verification finds; `finish` makes it the latest of the run.

    Rows are kept in SQLite's temporary database until then: a verification that does not end
    leaves the former one as it is.
    """

    def __init__(self, run: RunFile) -> None:
        self._database = run.database
        self._room = KEPT
        self._counts: defaultdict[str, Counter[VerifyResult]] = defaultdict(Counter)
        self._owners: dict[tuple[VerifyResult, str], OwnerCount] = {}
        with run.database.transaction() as connection:
            connection.execute(_CREATE)
            connection.execute("DELETE FROM verifying")

    def add(self, found: Iterable[tuple[Target, Verified]]) -> None:
        """Add what was found of some targets."""
        rows = []
        for target, verified in found:
            self._counts[target.cluster][verified.result] += 1
            self._count_owner(verified)
            if verified.result is not VerifyResult.HOLDS and self._room:
                self._room -= 1
                since, detail = verified.since, verified.detail
                row = (target.id, verified.result.value, verified.manager, since, detail)
                rows.append(row)
        if rows:
            with self._database.transaction() as connection:
                connection.executemany(_ADD, rows)

    def finish(self, began_at: float, ended_at: float, by: str, wave: int | None) -> Verification:
        """Replace the latest verification of the run by this one, in one transaction.

        `wave` is the number of the wave that was verified, from 1; None is the whole run.
        """
        counts = {name: dict(counted) for name, counted in self._counts.items()}
        verification = Verification(began_at, ended_at, by, counts, self._managers(), wave or 0)
        with self._database.transaction() as connection:
            for statement in _REPLACE:
                connection.execute(statement)
            meta.put_verification(self._database, verification)
        return verification

    def _count_owner(self, verified: Verified) -> None:
        if verified.result not in _OWNED:
            return
        key = verified.result, verified.manager
        # A bound on memory, too: a server may send any number of names.
        if key not in self._owners and len(self._owners) >= MANAGERS_KEPT * 10:
            key = verified.result, ""
        new = OwnerCount(*key, 1, verified.since, verified.since)
        known = self._owners.get(key)
        self._owners[key] = new if known is None else _joined(known, new)

    def _managers(self) -> tuple[OwnerCount, ...]:
        """Return the most frequent owners; the others of each result share one without a name."""
        by_count = sorted(self._owners.values(), key=lambda one: (-one.count, one.manager))
        kept, others = by_count[:MANAGERS_KEPT], by_count[MANAGERS_KEPT:]
        rest: dict[VerifyResult, OwnerCount] = {}
        for one in others:
            known = rest.get(one.result)
            nameless = OwnerCount(one.result, "", one.count, one.first, one.last)
            rest[one.result] = nameless if known is None else _joined(known, nameless)
        return (*kept, *rest.values())


def _joined(one: OwnerCount, other: OwnerCount) -> OwnerCount:
    firsts = _known([one.first, other.first])
    lasts = _known([one.last, other.last])
    return OwnerCount(
        one.result,
        one.manager,
        one.count + other.count,
        min(firsts, default=None),
        max(lasts, default=None),
    )


def _known(moments: Sequence[float | None]) -> list[float]:
    return [moment for moment in moments if moment is not None]
