"""Collects the drafts of a survey, and makes them the targets of the run file.

Drafts arrive in any order and may repeat. They are appended to a table of SQLite's temporary
database. The seal finds objects that repeat, numbers all in the order of the plan, and records the
outcomes of those that need no patch.

An index over the uids would find repeated objects at once, but uids are random: each draft would
change another page of an index that is larger than any cache. Sorting all uids once takes a tenth
of that, and as long for each draft of a large fleet as for one of a small fleet.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from fleetpatch.errors import RunFileError
from fleetpatch.journal import codec, meta, seal, waves
from fleetpatch.journal.database import Database
from fleetpatch.journal.errors import run_file_error
from fleetpatch.journal.owned import OwnedObjects
from fleetpatch.journal.schema import COMPUTED_VERSION, STAGING
from fleetpatch.model.ports import Draft
from fleetpatch.model.resource import Resource
from fleetpatch.model.run import RunState
from fleetpatch.model.units import Amount

_DRAFT: Final = "INSERT INTO drafts VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_RESOURCE: Final = "INSERT INTO resources VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_COUNT: Final = "SELECT count(*) FROM (SELECT 1 FROM drafts GROUP BY cluster, uid)"

# The uids of more than one draft: of an object that several blocks select or that two pages show,
# or of one that two clusters contain.
_REPEATED: Final = (
    "DROP TABLE IF EXISTS repeated",
    "CREATE TEMP TABLE repeated (uid TEXT PRIMARY KEY) WITHOUT ROWID",
    "INSERT INTO repeated SELECT uid FROM drafts GROUP BY uid HAVING count(*) > 1",
)
# One uid in two clusters. The names are those of the first such object in the plan's order. Listed
# objects that do not exist have no uid (`codec.draft_row`), and may be missing in two clusters.
_SHARED: Final = """
SELECT d.resource, d.namespace, d.name, d.uid, s.first, s.last
FROM (SELECT uid, min(cluster) AS first, max(cluster) AS last FROM drafts
      WHERE uid IN (SELECT uid FROM repeated) AND resource_version <> ''
      GROUP BY uid HAVING min(cluster) < max(cluster)) s
JOIN drafts d ON d.uid = s.uid AND d.cluster = s.first
ORDER BY d.cluster, d.namespace, d.name LIMIT 1
"""
# One uid with two names in one cluster.
_RENAMED: Final = """
SELECT cluster, resource, min(namespace || '/' || name) AS first,
    max(namespace || '/' || name) AS last, uid
FROM drafts WHERE uid IN (SELECT uid FROM repeated) GROUP BY cluster, uid HAVING first < last
ORDER BY cluster, first LIMIT 1
"""
# The first draft of an object is kept, with the blocks of all. Each draft has one bit in `blocks`,
# so the sum of different values has the bits of all.
_MERGE: Final = (
    """
    CREATE TEMP TABLE merged AS SELECT min(id) AS draft, sum(DISTINCT blocks) AS blocks FROM drafts
    WHERE uid IN (SELECT uid FROM repeated) GROUP BY cluster, uid
    """,
    "UPDATE drafts SET blocks = merged.blocks FROM merged WHERE merged.draft = drafts.id",
    """
    DELETE FROM drafts
    WHERE uid IN (SELECT uid FROM repeated) AND id NOT IN (SELECT draft FROM merged)
    """,
    "DROP TABLE merged",
)
# The order of the ids: by cluster, then by wave, and objects that need no patch at the end. So each
# wave is a range of ids within each cluster, in which owners come before what they own. The rows
# are numbered from 1 in that order. What a listed object that does not exist has in place of a uid
# is not stored.
_SORTED: Final = """
CREATE TEMP TABLE sorted AS
SELECT d.cluster, r.id AS resource, namespace, name, iif(resource_version = '', '', uid) AS uid,
    resource_version, blocks, before, wanted, ends, detail, computed, owner
FROM drafts d JOIN ranks r ON r.found = d.resource LEFT JOIN draft_waves w ON w.draft = d.id
ORDER BY d.cluster, w.wave IS NULL, w.wave, d.owner IS NOT NULL, r.id, namespace, name, d.uid
"""
_TARGETS: Final = """
INSERT INTO targets SELECT rowid, cluster, resource, namespace, name, uid, resource_version, blocks,
    before, wanted
FROM sorted ORDER BY rowid
"""
# A cluster without targets keeps the default, a `last` that is less than `first`.
_RANGES: Final = """
UPDATE clusters SET first = span.first, last = span.last
FROM (SELECT cluster, min(rowid) AS first, max(rowid) AS last FROM sorted GROUP BY cluster) span
WHERE span.cluster = clusters.id
"""
_ENDS: Final = """
INSERT INTO outcomes SELECT rowid, ends, NULL, 0, 0, 0.0, NULL, detail, NULL, NULL, ?
FROM sorted WHERE ends IS NOT NULL ORDER BY rowid
"""
_COMPUTED: Final = """
INSERT INTO computed SELECT rowid, computed FROM sorted WHERE computed IS NOT NULL AND ends IS NULL
ORDER BY rowid
"""
_DEPENDENTS: Final = """
INSERT INTO dependents SELECT rowid, owner FROM sorted WHERE owner IS NOT NULL ORDER BY rowid
"""
_STAGES: Final = ("drafts", "repeated", "ranks", "draft_waves", "sorted")


class SharedObject(NamedTuple):
    """An object that two clusters of the fleet contain, by its uid."""

    clusters: tuple[str, str]
    resource: Resource
    namespace: str
    name: str
    uid: str


class RenamedObject(NamedTuple):
    """One uid that a cluster has shown with two names; in `names` is `/` after the namespace."""

    cluster: str
    resource: Resource
    names: tuple[str, str]
    uid: str


class SurveyTable:
    """The drafts of one run file, until they are sealed.

    If an object is found twice, the first draft is kept, with the blocks of both.
    """

    def __init__(self, database: Database, clusters: Mapping[str, int]) -> None:
        self._database = database
        self._clusters = clusters
        self._resources: dict[Resource, int] = {}
        self._has_repeated = False
        self._owned: OwnedObjects | None = None
        database.connection.executescript(STAGING)

    def add(self, drafts: Iterable[Draft]) -> None:
        """Stage drafts in one transaction."""
        self._has_repeated = False
        with self._database.transaction() as connection:
            connection.executemany(_DRAFT, map(self._row, drafts))

    def count(self) -> int:
        """Count the distinct objects found so far; reads all drafts."""
        return int(next(self._database.rows(_COUNT))[0])

    def owned(self) -> OwnedObjects:
        """Return the join of objects with their owners."""
        if self._owned is None:
            self._owned = OwnedObjects(self._database, self._clusters, self._number_of)
        return self._owned

    def remove(self, cluster: str) -> None:
        """Remove the drafts of a cluster that could not be listed to the end."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM drafts WHERE cluster = ?", (self._clusters[cluster],))

    def shared(self) -> SharedObject | None:
        """Return an object that two clusters contain, if there is any."""
        if len(self._clusters) == 1:
            return None
        self._find_repeated()
        found = next(iter(self._database.rows(_SHARED)), None)
        if found is None:
            return None
        resource, namespace, name, uid, first, second = found
        clusters = self._name_of(first), self._name_of(second)
        return SharedObject(clusters, self._resource_of(resource), namespace, name, uid)

    def renamed(self) -> RenamedObject | None:
        """Return an object that has two names, if there is any."""
        self._find_repeated()
        found = next(iter(self._database.rows(_RENAMED)), None)
        if found is None:
            return None
        cluster, resource, first, last, uid = found
        names = first.removeprefix("/"), last.removeprefix("/")
        return RenamedObject(self._name_of(cluster), self._resource_of(resource), names, uid)

    def seal(
        self,
        now: float,
        sizes: Sequence[Amount] = (),
        seed: str = "",
        digest_of: Callable[[str], str] | None = None,
    ) -> None:
        """Number the targets, end those that need no patch, and set the state to `planned`.

        With `sizes` of waves the targets are numbered wave by wave, in an order drawn from `seed`.
        `digest_of` makes the digest of the run from the seal. Raises Refused if there would be too
        many waves.
        """
        resources = sorted(self._resources, key=lambda one: (one.name, one.version))
        done = self._sort(resources, sizes, seed)
        # One transaction: a crash leaves either an unsealed file or a complete one.
        with self._database.transaction() as connection:
            connection.executemany(
                _RESOURCE,
                [(rank, *codec.resource_row(one)) for rank, one in enumerate(resources, 1)],
            )
            # From here on targets have ids: clusters, waves and outcomes refer to them.
            targets = connection.execute(_TARGETS).rowcount
            connection.execute(_RANGES)
            added = [connection.execute(rows).rowcount for rows in (_COMPUTED, _DEPENDENTS)]
            if any(added):
                self._database.require(COMPUTED_VERSION)
            waves.store(self._database, done)
            ended = connection.execute(_ENDS, (now,)).rowcount
            meta.add_to_row_count(self._database, "targets", targets)
            meta.add_to_row_count(self._database, "outcomes", ended)
            self._database.put([("state", RunState.PLANNED.value)])
            # Last, since the checksum covers all of the above.
            checksum = seal.store(self._database)
            if digest_of:
                self._database.put([("plan_digest", digest_of(checksum))])
        # Frees the disk space of the staging tables while the run is applied.
        with self._database.transaction() as connection:
            for table in _STAGES:
                connection.execute(f"DROP TABLE {table}")
        if self._owned is not None:
            self._owned.close()

    def _find_repeated(self) -> None:
        """Fill the table `repeated` with the uids of all drafts that were staged so far."""
        if self._has_repeated:
            return
        with self._database.transaction() as connection:
            for statement in _REPEATED:
                connection.execute(statement)
        self._has_repeated = True

    def _sort(
        self, resources: Sequence[Resource], sizes: Sequence[Amount], seed: str
    ) -> Mapping[int, Sequence[int]]:
        """Fill the table `sorted` with one row for each object, in the order of the ids.

        `resources` are in the order of the plan. Returns what `waves.draw` does.
        """
        self._find_repeated()
        names = {number: name for name, number in self._clusters.items()}
        with self._database.transaction() as connection:
            for statement in _MERGE:
                connection.execute(statement)
            connection.execute("CREATE TEMP TABLE ranks (found INTEGER PRIMARY KEY, id INTEGER)")
            ranks = [(self._resources[one], rank) for rank, one in enumerate(resources, 1)]
            connection.executemany("INSERT INTO ranks VALUES (?, ?)", ranks)
            done = waves.draw(self._database, names, sizes, seed)
            connection.execute(_SORTED)
        return done

    def _row(self, draft: Draft) -> codec.Row:
        if not 0 <= draft.block < codec.MAX_BLOCKS:
            raise self._too_many_blocks()
        resource = self._number_of(draft.resource)
        return codec.draft_row(draft, self._clusters[draft.cluster], resource)

    def _name_of(self, cluster: int) -> str:
        return next(name for name, number in self._clusters.items() if number == cluster)

    def _resource_of(self, number: int) -> Resource:
        return next(one for one, known in self._resources.items() if known == number)

    def _number_of(self, resource: Resource) -> int:
        return self._resources.setdefault(resource, len(self._resources) + 1)

    def _too_many_blocks(self) -> RunFileError:
        return run_file_error(
            self._database.path,
            f"holds at most {codec.MAX_BLOCKS} blocks of targets; split the plan",
        )
