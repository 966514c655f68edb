"""The targets of a run whose objects an undo or a verification has not read yet.

They are kept in SQLite's temporary database, so that memory holds one page of them. A target is
taken by the uid of an object that was listed, or in the order of the plan.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from fleetpatch.journal import queries
from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.resource import Resource
from fleetpatch.model.run import ListedTarget

_CREATE: Final = """
CREATE TEMP TABLE IF NOT EXISTS unread (
    cluster INTEGER, uid TEXT, target INTEGER UNIQUE, PRIMARY KEY (cluster, uid)
) WITHOUT ROWID
"""
# An object that needed no patch was not changed, and one without a uid was not found.
_FILL: Final = """
INSERT INTO unread SELECT t.cluster, t.uid, t.id FROM targets t
LEFT JOIN outcomes o ON o.target = t.id LEFT JOIN reasons r ON r.reason = o.reason
WHERE coalesce(r.outcome, '') <> 'unchanged' AND t.uid <> ''
"""
_FILL_APPLIED: Final = """
INSERT INTO unread SELECT t.cluster, t.uid, t.id FROM targets t
JOIN outcomes o ON o.target = t.id JOIN reasons r ON r.reason = o.reason
WHERE r.outcome = 'applied' AND t.cluster = ? AND t.id BETWEEN ? AND ?
"""
_LEAVE_OUT: Final = "DELETE FROM unread WHERE cluster = ? AND uid = ?"
_PLACES: Final = """
SELECT t.resource, t.namespace, count(*) FROM unread u JOIN targets t ON t.id = u.target
WHERE u.cluster = ? GROUP BY 1, 2 ORDER BY 1, 2
"""
_REST: Final = "SELECT target FROM unread WHERE cluster = ? ORDER BY target LIMIT ?"


ObjectId: TypeAlias = tuple[str, str]
"""The name of a cluster, and the uid of an object in it."""


class Place(NamedTuple):
    """A kind in a namespace, and the number of its targets."""

    resource: Resource
    namespace: str
    targets: int


class UnreadTargets:
    """The targets of `run` that it may have changed; each is taken once.

    With `applied`, only applied ones whose ids are within this range of their cluster; those that
    are `left_out` are not among them.
    """

    def __init__(
        self,
        run: RunFile,
        applied: Mapping[str, tuple[int, int]] | None = None,
        left_out: Iterable[ObjectId] = (),
    ) -> None:
        self._run = run
        self._ids = {name: number for number, name in run.clusters.items()}
        with run.database.transaction() as connection:
            for statement in (_CREATE, "DELETE FROM unread"):
                connection.execute(statement)
            if applied is None:
                connection.execute(_FILL)
            for name, (first, last) in (applied or {}).items():
                connection.execute(_FILL_APPLIED, (self._ids[name], first, last))
            known = ((self._ids[name], uid) for name, uid in left_out if name in self._ids)
            connection.executemany(_LEAVE_OUT, known)

    def places(self, cluster: str) -> list[Place]:
        """Count the unread targets of a cluster by kind and namespace."""
        rows = self._run.database.rows(_PLACES, self._ids[cluster])
        return [Place(self._run.resources[number], space, count) for number, space, count in rows]

    def take(self, cluster: str, uids: Sequence[str]) -> list[ListedTarget]:
        """Take the targets with these uids; other uids are ignored."""
        query = f"SELECT target FROM unread WHERE cluster = ? AND uid IN ({_marks(uids)})"  # noqa: S608 # question marks
        return self._taken(list(self._run.database.rows(query, self._ids[cluster], *uids)))

    def next(self, cluster: str, size: int) -> list[ListedTarget]:
        """Take the next ones in the order of the plan, up to `size`; empty if none are left."""
        rows = list(self._run.database.rows(_REST, self._ids[cluster], size))
        return self._taken(rows) if rows else []

    def _taken(self, rows: list[tuple[int]]) -> list[ListedTarget]:
        ids = [number for (number,) in rows]
        with self._run.database.transaction() as connection:
            query = f"DELETE FROM unread WHERE target IN ({_marks(ids)})"  # noqa: S608 # question marks
            connection.execute(query, ids)
        return list(queries.by_id(self._run, ids))


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
