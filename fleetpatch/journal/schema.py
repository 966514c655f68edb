"""The run file's format, version 1, and what it promises.

Format
    A run file is one SQLite database for one run, from planning to report. Its header carries
    `application_id` ("flpt") and `user_version` (the format's version), so that a foreign or a
    newer file is refused before a single table is read.

    | table | a row is | written |
    |---|---|---|
    | `meta` | one fact of the run: who, when, which plan; state, counters | all along |
    | `clusters`, `resources` | one of each, as they were planned | by survey and seal |
    | `targets` | one object to patch, with its version and before-values | once, by the seal |
    | `claims` | a chunk of targets, `first..last`, that may have been sent | before it is sent |
    | `outcomes` | a target that has ended, and how | after it has ended |
    | `earlier_writes` | what a target's outcome that was taken back had stored | then |
    | `reasons` | the outcome that each reason belongs to | at creation |

    Where a target stands follows from these and is stored nowhere else: with a row in `outcomes`
    it has ended; else within a chunk of `claims` it is *in doubt*; else it is *pending*. The
    primary key of outcomes makes a second one of one target impossible; they are added, and taken
    back only where a person asks for failed targets to be tried again. Claims change where targets
    of which nothing was sent are given back. A target that needs no
    patch has its outcome from the seal on, whatever chunk it lies in later. The view `standings`
    joins it all for people with a `sqlite3` shell at hand.

    `targets.id` counts from 1 in the order of the plan: clusters as the fleet lists them, then
    resource, namespace, name. A cluster's targets are the range `clusters.first..last`. `before` is
    JSON: `[[path, value], ...]`, and `[path]` alone for a field that was absent; `wanted`, in the
    same shape, says what they shall be where that does not follow from the plan and `before`.
    `outcomes.replaced` and `.wrote`, of that shape too, are kept where what the change replaced was
    not as planned, or what it made is not as wanted; with a target that failed or was skipped,
    `wrote` is what was stored of the change all the same. `earlier_writes` keeps both while such a
    target is tried again. `blocks` is a bit
    mask of positions in the plan's `targets`. Times are seconds since the epoch.

Planning
    While a survey runs, what it finds is kept in SQLite's temporary database (in `SQLITE_TMPDIR`,
    else `TMPDIR`, else `/var/tmp`): pages come in any order, twice, and in great number. The seal
    sorts them into `targets` in one transaction that also sets the state to `planned`. So a survey
    that was cut leaves a run file in state `planning`, without targets, good for nothing but the
    tale; and Python's memory holds one page.

Durability
    After the seal the file is in WAL mode with `synchronous=FULL`: a method that returns has its
    transaction on the disk. `claim` commits before it hands out a target, so whatever was sent is
    known to be, after a crash at any moment. `record` commits a group of outcomes at once; a crash
    before it leaves those targets in doubt, never lost and never ended twice. A WAL torn by a crash
    ends, by its checksums, at the last whole transaction. `meta` counts the rows of the big tables
    in the transactions that add them, so that pages of different moments, as a bad copy may bring
    together, are noticed when the file is opened. `meta.recorded` is the time of the latest group,
    whose story the log may lack after a crash. `meta.sealed` is a checksum over all that the seal
    fixed (`fleetpatch.journal.seal`); a run whose file does not match it is not gone on with.

Copies
    A run file that was closed is in rollback mode again: one file, to be copied like any other and
    readable from a read-only place. While it is being written, or after a crash, its latest
    transactions stand in `RUN-wal`, and the file itself is not touched but at a checkpoint: when a
    session begins and ends, and when the log has grown to `database.WAL_LIMIT`. So at any moment
    between, a copy of both, made in whatever order, holds all that was committed when the log was
    copied; SQLite's checksums end a half-copied log at a whole transaction.

    A copy of the file alone is of the last checkpoint: consistent, and it can be read; but going on
    with it is refused, since it does not know what was sent after that. It is told from the
    original by `meta.writing`, which names the file that is being written (its inode and path), or
    is 0 once it was closed. A copy that a checkpoint ran into may hold pages of two moments, which
    opening it detects by the rows counted in `meta` (copy again then); rollback mode would risk
    that at every commit. `sqlite3 RUN "VACUUM INTO 'COPY'"` copies a live run in one piece.

Writers
    One at a time. Calls on one `RunFile` may come from any thread but must not overlap; keeping a
    second process away is the lock's business. Were there a second writer all the same, no target
    would be claimed by both.

Versions
    A newer tool reads every older version. A change that an older tool would misread raises
    `FORMAT_VERSION`; a new key in `meta` does not.
"""

import re
from typing import Final

APPLICATION_ID: Final = int.from_bytes(b"flpt")
FORMAT_VERSION: Final = 1

EARLIER_WRITES: Final = """
CREATE TABLE earlier_writes (
    target INTEGER PRIMARY KEY REFERENCES targets,
    wrote TEXT NOT NULL,
    replaced TEXT NOT NULL
);
"""

TABLES: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;

CREATE TABLE clusters (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    server TEXT NOT NULL,
    context TEXT NOT NULL,
    inconsistent INTEGER NOT NULL DEFAULT 0,
    first INTEGER NOT NULL DEFAULT 1,
    last INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE resources (
    id INTEGER PRIMARY KEY,
    api_group TEXT NOT NULL,
    version TEXT NOT NULL,
    plural TEXT NOT NULL,
    kind TEXT NOT NULL,
    singular TEXT NOT NULL,
    short_names TEXT NOT NULL,
    namespaced INTEGER NOT NULL
);

CREATE TABLE targets (
    id INTEGER PRIMARY KEY,
    cluster INTEGER NOT NULL REFERENCES clusters,
    resource INTEGER NOT NULL REFERENCES resources,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    uid TEXT NOT NULL,
    resource_version TEXT NOT NULL,
    blocks INTEGER NOT NULL,
    before TEXT NOT NULL,
    wanted TEXT
);

CREATE TABLE claims (
    first INTEGER PRIMARY KEY REFERENCES targets,
    last INTEGER NOT NULL REFERENCES targets,
    claimed_at REAL NOT NULL
);

CREATE TABLE outcomes (
    target INTEGER PRIMARY KEY REFERENCES targets,
    reason TEXT NOT NULL REFERENCES reasons,
    http_status INTEGER,
    attempts INTEGER NOT NULL,
    reads INTEGER NOT NULL,
    elapsed_ms REAL NOT NULL,
    resource_version TEXT,
    detail TEXT NOT NULL,
    replaced TEXT,
    wrote TEXT,
    settled_at REAL NOT NULL
);

CREATE TABLE reasons (reason TEXT PRIMARY KEY, outcome TEXT NOT NULL) WITHOUT ROWID;

CREATE VIEW standings AS
SELECT t.id, c.name AS cluster, r.api_group, r.version, r.plural, t.namespace, t.name, t.uid,
       CASE WHEN o.target IS NOT NULL THEN coalesce(e.outcome, 'unknown')
            WHEN EXISTS (SELECT 1 FROM claims WHERE t.id BETWEEN first AND last) THEN 'in-doubt'
            ELSE 'pending' END AS standing,
       o.reason, o.http_status, o.attempts, o.detail
FROM targets t
JOIN clusters c ON c.id = t.cluster
JOIN resources r ON r.id = t.resource
LEFT JOIN outcomes o ON o.target = t.id
LEFT JOIN reasons e ON e.reason = o.reason;
"""

TABLE_NAMES: Final = frozenset(re.findall(r"CREATE TABLE (\w+)", TABLES))
VIEW: Final = "standings"

CLAIMED: Final = (
    "t.id <= coalesce((SELECT last FROM claims WHERE first <= t.id ORDER BY first DESC LIMIT 1), 0)"
)
"""Whether the target `t` lies in a claimed chunk. Chunks do not overlap, so one seek tells."""

STAGING: Final = """
CREATE TEMP TABLE drafts (
    cluster INTEGER NOT NULL,
    resource INTEGER NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    uid TEXT NOT NULL,
    resource_version TEXT NOT NULL,
    blocks INTEGER NOT NULL,
    before TEXT NOT NULL,
    wanted TEXT,
    ends TEXT,
    detail TEXT NOT NULL,
    UNIQUE (cluster, uid)
);
"""
