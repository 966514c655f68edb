"""Objects that others own, while a run is planned: joined over uids, to find the dependents.

Listed objects, and who owns them, are kept in SQLite's temporary database, so that memory holds one
page. An owner is named by uid, kind and apiVersion (`metadata.ownerReferences`), and is in the
namespace of what it owns, or in none.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import count
from typing import Final

import msgspec

from fleetpatch.journal.database import Database
from fleetpatch.model.fields import Json
from fleetpatch.model.ports import Owned
from fleetpatch.model.resource import Resource
from fleetpatch.model.target import Seen

_CREATE: Final = """
CREATE TEMP TABLE owner_roots (
    cluster INTEGER, uid TEXT, namespace TEXT, blocks INTEGER, PRIMARY KEY (cluster, uid)
) WITHOUT ROWID;
CREATE TEMP TABLE owned (
    cluster INTEGER, uid TEXT, resource INTEGER, seen BLOB, PRIMARY KEY (cluster, uid)
) WITHOUT ROWID;
CREATE TEMP TABLE owner_links (
    cluster INTEGER, owner TEXT, uid TEXT, kind TEXT, namespace TEXT,
    PRIMARY KEY (cluster, owner, uid)
) WITHOUT ROWID;
CREATE INDEX temp.owner_links_of ON owner_links (cluster, uid);
CREATE TEMP TABLE owner_documents (
    cluster INTEGER, uid TEXT, document BLOB, PRIMARY KEY (cluster, uid)
) WITHOUT ROWID;
CREATE TEMP TABLE reached (
    uid TEXT PRIMARY KEY, namespace TEXT, root TEXT, depth INTEGER
) WITHOUT ROWID;
CREATE INDEX temp.reached_by_depth ON reached (depth);
CREATE TEMP TABLE dependents_found (
    id INTEGER PRIMARY KEY, cluster INTEGER, uid TEXT, root TEXT, block INTEGER,
    UNIQUE (cluster, uid)
);
"""
_DROP: Final = """
DROP TABLE owner_roots; DROP TABLE owned; DROP TABLE owner_links; DROP TABLE owner_documents;
DROP TABLE reached; DROP TABLE dependents_found;
"""
# Sorted by the key; `drafts` has no index over uids, and an object may have several drafts.
_SELECT: Final = """
INSERT INTO owner_roots SELECT cluster, uid, min(namespace), sum(DISTINCT blocks) FROM drafts
WHERE cluster = ? AND resource_version <> '' GROUP BY cluster, uid ORDER BY cluster, uid
"""
_UNKNOWN_OWNERS: Final = """
SELECT DISTINCT kind FROM owner_links l WHERE cluster = ?
AND NOT EXISTS (SELECT 1 FROM owner_roots r WHERE r.cluster = l.cluster AND r.uid = l.owner)
AND NOT EXISTS (SELECT 1 FROM owner_links o WHERE o.cluster = l.cluster AND o.uid = l.owner)
ORDER BY kind
"""
# From the selected objects down, one step at a time, until nothing new is reached: so the nearest
# of several owners counts, then the first by uid, and a circle ends.
_ROOTS: Final = """
INSERT INTO reached SELECT uid, namespace, uid, 0 FROM owner_roots
WHERE cluster = :cluster AND blocks & :mask
"""
# As for Kubernetes' garbage collector, an object in another namespace is no owner.
_NEXT: Final = """
INSERT OR IGNORE INTO reached SELECT l.uid, l.namespace, min(r.root), :depth + 1
FROM reached r JOIN owner_links l ON l.cluster = :cluster AND l.owner = r.uid
WHERE r.depth = :depth AND r.namespace IN ('', l.namespace) GROUP BY l.uid
"""
# What is selected itself, or by an earlier block, is a target already.
_FIND: Final = """
INSERT OR IGNORE INTO dependents_found (cluster, uid, root, block)
SELECT :cluster, o.uid, r.root, :block
FROM reached r JOIN owned o ON o.cluster = :cluster AND o.uid = r.uid
WHERE o.resource IN (SELECT value FROM json_each(:resources))
AND NOT EXISTS (SELECT 1 FROM owner_roots s WHERE s.cluster = :cluster AND s.uid = o.uid)
ORDER BY o.uid
"""
_FOUND: Final = """
SELECT f.id, o.resource, o.seen, f.root, f.block, n.document
FROM dependents_found f JOIN owned o ON o.cluster = f.cluster AND o.uid = f.uid
LEFT JOIN owner_documents n ON n.cluster = f.cluster AND n.uid = f.root
WHERE f.cluster = ? AND f.id > ? ORDER BY f.id LIMIT ?
"""

# Not msgpack, which has no numbers of more than 64 bits.
_seen: Final = msgspec.json.Decoder(Seen)


class OwnedObjects:
    """Implements the port `OwnershipJoin` for a run file that is not sealed yet.

    `number_of` returns the number of a resource in `drafts`.
    """

    def __init__(
        self,
        database: Database,
        clusters: Mapping[str, int],
        number_of: Callable[[Resource], int],
    ) -> None:
        self._database = database
        self._clusters = clusters
        self._number_of = number_of
        self._resources: dict[int, Resource] = {}
        database.connection.executescript(_CREATE)

    def keep_owners(self, cluster: str, documents: Mapping[str, Json]) -> None:
        """Keep selected objects by their uids, for the expressions of their dependents."""
        number, encode = self._clusters[cluster], msgspec.json.encode
        rows = [(number, uid, encode(document)) for uid, document in documents.items()]
        with self._database.transaction() as connection:
            connection.executemany("INSERT OR IGNORE INTO owner_documents VALUES (?, ?, ?)", rows)

    def select(self, cluster: str) -> None:
        """Take the drafts of a cluster so far as its selected objects."""
        with self._database.transaction() as connection:
            connection.execute(_SELECT, (self._clusters[cluster],))

    def add(self, cluster: str, resource: Resource, items: Sequence[Seen], *, wanted: bool) -> None:
        """Add objects that others own; only `wanted` ones can be dependents."""
        number, of_kind = self._clusters[cluster], self._number_of(resource)
        self._resources[of_kind] = resource
        links = [
            (
                *(number, owner["uid"], seen.uid),
                *(f"{owner['apiVersion']} {owner['kind']}", seen.namespace),
            )
            for seen in items
            for owner in owners_of(seen)
        ]
        encode = msgspec.json.encode
        rows = [(number, seen.uid, of_kind, encode(seen)) for seen in items if owners_of(seen)]
        with self._database.transaction() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO owner_links VALUES (?, ?, ?, ?, ?)", links
            )
            if wanted:
                connection.executemany("INSERT OR REPLACE INTO owned VALUES (?, ?, ?, ?)", rows)

    def unknown_owners(self, cluster: str) -> Sequence[tuple[str, str]]:
        """Return apiVersion and kind of owners that are neither selected nor owned themselves."""
        rows = self._database.rows(_UNKNOWN_OWNERS, self._clusters[cluster])
        return [(version, kind) for (text,) in rows for version, _, kind in [text.partition(" ")]]

    def find(self, cluster: str, block: int, kinds: Collection[Resource]) -> None:
        """Find the objects of `kinds` that a selected object of a block owns, at any depth."""
        numbers = msgspec.json.encode([self._number_of(kind) for kind in kinds]).decode()
        number = self._clusters[cluster]
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM reached")
            connection.execute(_ROOTS, {"cluster": number, "mask": 1 << block})
            for depth in count():
                level = {"cluster": number, "depth": depth}
                if not connection.execute(_NEXT, level).rowcount:
                    break
            found = {"cluster": number, "block": block, "resources": numbers}
            connection.execute(_FIND, found)

    def found(self, cluster: str, after: int, limit: int) -> Sequence[Owned]:
        """Return dependents that were found, in their order, from the one after `after`."""
        rows = self._database.rows(_FOUND, self._clusters[cluster], after, limit)
        return [
            Owned(
                number,
                self._resources[resource],
                _seen.decode(seen),
                root,
                block,
                None if document is None else msgspec.json.decode(document),
            )
            for number, resource, seen, root, block, document in rows
        ]

    def close(self) -> None:
        """Free the disk space."""
        self._database.connection.executescript(_DROP)


def owners_of(seen: Seen) -> list[dict[str, str]]:
    """Return the valid ownerReferences of an object whose metadata is known."""
    metadata = seen.metadata
    if metadata is None and isinstance(seen.whole, dict):
        metadata = seen.whole.get("metadata")
    found = metadata.get("ownerReferences") if isinstance(metadata, dict) else None
    keys = ("uid", "apiVersion", "kind")
    return [
        one
        for one in (found if isinstance(found, list) else ())
        if isinstance(one, dict) and all(isinstance(one.get(key), str) for key in keys)
    ]
