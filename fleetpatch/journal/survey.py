"""Collects the drafts of a survey, and makes them the targets of the run file.

Drafts arrive in any order and may repeat. They are staged in SQLite's temporary database, with
(cluster, uid) as their key. The seal numbers them in the order of the plan, and records the
outcomes of those that need no patch.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from fleetpatch.errors import RunFileError
from fleetpatch.journal import codec, meta, seal, waves
from fleetpatch.journal.database import Database
from fleetpatch.journal.errors import run_file_error
from fleetpatch.journal.schema import FORMAT_VERSION, STAGING
from fleetpatch.model.ports import Draft
from fleetpatch.model.resource import Resource
from fleetpatch.model.run import RunState
from fleetpatch.model.units import Amount

# An object that several blocks select, or that two pages show, is one target.
_DRAFT = """
INSERT INTO drafts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (cluster, uid) DO UPDATE SET blocks = blocks | excluded.blocks
"""

_RESOURCE = "INSERT INTO resources VALUES (?, ?, ?, ?, ?, ?, ?, ?)"

# The order of the ids: by cluster, then by wave, and objects that need no patch at the end. So each
# wave is a range of ids within each cluster.
_TARGETS = """
INSERT INTO targets (cluster, resource, namespace, name, uid, resource_version, blocks,
    before, wanted)
SELECT d.cluster, r.id, namespace, name, iif(resource_version = '', '', d.uid),
    resource_version, blocks, before, wanted
FROM drafts d JOIN ranks r ON r.found = d.resource
LEFT JOIN draft_waves w ON w.cluster = d.cluster AND w.uid = d.uid
ORDER BY d.cluster, w.wave IS NULL, w.wave, r.id, namespace, name, d.uid
"""

# `last` is less than `first` for a cluster without targets.
_RANGES = """
UPDATE clusters SET (first, last) =
(SELECT coalesce(min(id), 1), coalesce(max(id), 0) FROM targets WHERE cluster = clusters.id)
"""

_ENDS = """
INSERT INTO outcomes
SELECT t.id, d.ends, NULL, 0, 0, 0.0, NULL, d.detail, NULL, NULL, ?
FROM targets t JOIN drafts d ON d.cluster = t.cluster AND d.uid = t.uid
WHERE d.ends IS NOT NULL ORDER BY t.id
"""

# Of a listed object that does not exist only the name is known.
_ENDS_OF_MISSING = """
INSERT INTO outcomes
SELECT t.id, d.ends, NULL, 0, 0, 0.0, NULL, d.detail, NULL, NULL, ?
FROM drafts d JOIN ranks r ON r.found = d.resource
JOIN targets t ON t.cluster = d.cluster AND t.resource = r.id AND t.namespace = d.namespace
    AND t.name = d.name AND t.uid = ''
WHERE d.resource_version = '' ORDER BY t.id
"""

_COMPUTED = """
INSERT INTO computed
SELECT t.id, d.computed
FROM targets t JOIN drafts d ON d.cluster = t.cluster AND d.uid = t.uid
WHERE d.computed IS NOT NULL AND d.ends IS NULL ORDER BY t.id
"""


# One uid in two clusters. The names are those of the first such object in the plan's order.
_SHARED = """
SELECT d.resource, d.namespace, d.name, d.uid, min(o.cluster), max(o.cluster)
FROM drafts d JOIN drafts o ON o.uid = d.uid
WHERE d.uid = (SELECT uid FROM drafts GROUP BY uid HAVING count(*) > 1
               ORDER BY min(cluster), namespace, name LIMIT 1)
GROUP BY d.uid
"""


class SharedObject(NamedTuple):
    """An object that two clusters of the fleet contain, by its uid."""

    clusters: tuple[str, str]
    resource: Resource
    namespace: str
    name: str
    uid: str


class SurveyTable:
    """The drafts of one run file, until they are sealed.

    If an object is found twice, the first draft is kept, with the blocks of both.
    """

    def __init__(self, database: Database, clusters: Mapping[str, int]) -> None:
        self._database = database
        self._clusters = clusters
        self._resources: dict[Resource, int] = {}
        database.connection.executescript(STAGING)

    def add(self, drafts: Iterable[Draft]) -> None:
        """Stage drafts in one transaction."""
        with self._database.transaction() as connection:
            connection.executemany(_DRAFT, map(self._row, drafts))

    def count(self) -> int:
        """Count the distinct objects found so far."""
        return int(next(self._database.rows("SELECT count(*) FROM drafts"))[0])

    def remove(self, cluster: str) -> None:
        """Remove the drafts of a cluster that could not be listed to the end."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM drafts WHERE cluster = ?", (self._clusters[cluster],))

    def shared(self) -> SharedObject | None:
        """Return an object that two clusters contain, if there is any."""
        if len(self._clusters) == 1:
            return None
        found = next(iter(self._database.rows(_SHARED)), None)
        if found is None:
            return None
        resource, namespace, name, uid, first, second = found
        names = {number: cluster for cluster, number in self._clusters.items()}
        resources = {number: one for one, number in self._resources.items()}
        clusters = names[first], names[second]
        return SharedObject(clusters, resources[resource], namespace, name, uid)

    def seal(self, now: float, sizes: Sequence[Amount] = (), seed: str = "") -> None:
        """Number the targets, end those that need no patch, and set the state to `planned`.

        With `sizes` of waves the targets are numbered wave by wave, in an order drawn from `seed`.
        Raises Refused if there would be too many waves.
        """
        names = {number: name for name, number in self._clusters.items()}
        found = sorted(self._resources, key=lambda resource: (resource.name, resource.version))
        # One transaction: a crash leaves either an unsealed file or a complete one.
        with self._database.transaction() as connection:
            connection.execute("CREATE TEMP TABLE ranks (found INTEGER PRIMARY KEY, id INTEGER)")
            for rank, resource in enumerate(found, 1):
                connection.execute(_RESOURCE, (rank, *codec.resource_row(resource)))
                connection.execute(
                    "INSERT INTO ranks VALUES (?, ?)", (self._resources[resource], rank)
                )
            done = waves.draw(self._database, names, sizes, seed)
            # From here on targets have ids: clusters, waves and outcomes refer to them.
            targets = connection.execute(_TARGETS).rowcount
            connection.execute(_RANGES)
            if connection.execute(_COMPUTED).rowcount:
                connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
            waves.store(self._database, done)
            ended = connection.execute(_ENDS, (now,)).rowcount
            ended += connection.execute(_ENDS_OF_MISSING, (now,)).rowcount
            meta.add_to_row_count(self._database, "targets", targets)
            meta.add_to_row_count(self._database, "outcomes", ended)
            self._database.put([("state", RunState.PLANNED.value)])
            # Last, since the checksum covers all of the above.
            seal.store(self._database)
        # Frees the disk space of the staging tables while the run is applied.
        with self._database.transaction() as connection:
            connection.execute("DROP TABLE drafts")
            connection.execute("DROP TABLE ranks")
            connection.execute("DROP TABLE draft_waves")

    def _row(self, draft: Draft) -> codec.Row:
        if not 0 <= draft.block < codec.MAX_BLOCKS:
            raise self._too_many_blocks()
        resource = self._resources.setdefault(draft.resource, len(self._resources) + 1)
        return codec.draft_row(draft, self._clusters[draft.cluster], resource)

    def _too_many_blocks(self) -> RunFileError:
        return run_file_error(
            self._database.path,
            f"holds at most {codec.MAX_BLOCKS} blocks of targets; split the plan",
        )
