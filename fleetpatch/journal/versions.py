"""The versions in which runs have left objects, and in which their undos have found them.

An undo is planned with the version in which its run has left an object. If the run has another one
now, it has changed the object since.
"""

from typing import Final

from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.unread import ObjectId

_LEFT: Final = """
SELECT t.cluster, t.uid, coalesce(nullif(o.resource_version, ''), t.resource_version)
FROM targets t JOIN outcomes o ON o.target = t.id JOIN reasons r ON r.reason = o.reason
WHERE r.outcome = 'applied'
"""
# An outcome without an attempt and without a read was recorded when the undo was planned.
_FOUND: Final = """
SELECT t.cluster, t.uid, t.resource_version FROM targets t JOIN outcomes o ON o.target = t.id
WHERE o.attempts + o.reads = 0
"""


def left(run: RunFile) -> dict[ObjectId, str]:
    """Return the version in which a run has left each object that it has changed."""
    return _read(run, _LEFT)


def found(undo: RunFile) -> dict[ObjectId, str]:
    """Return the version in which the run had left each object that its undo has not to patch."""
    return _read(undo, _FOUND)


def _read(run: RunFile, query: str) -> dict[ObjectId, str]:
    with run.database.decoding():
        rows = run.database.rows(query)
        return {(run.clusters[cluster], str(uid)): version for cluster, uid, version in rows}
