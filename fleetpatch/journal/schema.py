"""The run file's format, versions 1 to 3, and its guarantees.

Format
    A run file is one SQLite database for one run, from planning to report. Its header contains
    `application_id` ("flpt") and `user_version` (the format's version), so that a foreign or a
    newer file is refused before a table is read.

    | table | a row is | written |
    |---|---|---|
    | `meta` | one fact of the run: who, when, which plan; state, counters | at any time |
    | `clusters`, `resources` | one of each, as they were planned | by survey and seal |
    | `targets` | one object to patch, with its version and before-values | once, by the seal |
    | `claims` | a range of targets, `first..last`, that may have been sent | before they are sent |
    | `outcomes` | a target that has ended, and how | after it has ended |
    | `computed` | a target's values of the expressions in a patch body | once, by the seal |
    | `dependents` | a target that a selected object owns, and that object's uid | by the seal |
    | `tables` | the tables that the `where` of a plan looks up | once, by the survey |
    | `missing_keys` | a key that expressions did not find in a table | once, by the survey |
    | `verified` | a target whose applied values do not hold any more | by a verification |
    | `timeline` | what was observed of the run in one stretch of time | with the outcomes |
    | `sessions` | one call of `apply` or `resume`: who, from when to when, its end | at both |
    | `earlier_writes` | the `wrote` and `replaced` of an outcome that was deleted | at that time |
    | `reasons` | the outcome that each reason belongs to | at creation, and by later versions |

    The standing of a target follows from these tables and is not stored: with a row in `outcomes`
    it has ended; else, within a range of `claims`, it is *in doubt*; else it is *pending*. The
    primary key of `outcomes` prevents a second outcome of one target. Outcomes are added, and
    deleted only when a person has failed targets tried again. Claims shrink when targets are
    released for which nothing was sent. A target that needs no patch has its outcome from the seal
    on, and may lie in a claimed range later. The view `standings` joins these tables for people who
    use the `sqlite3` shell.

    `targets.id` counts from 1 in the order of the plan: clusters as the fleet lists them, then
    resource, namespace, name. A cluster's targets are the range `clusters.first..last`. `before` is
    JSON: `[[path, value], ...]`, and `[path]` alone for a field that was absent. `wanted` has the
    same shape; it holds the values after the change where they do not follow from the plan and
    `before`. `outcomes.replaced` and `.wrote` have that shape, too: the values that the change
    replaced, if they were not as planned, and those that it made, if they are not as wanted. For a
    target that failed or was skipped, `wrote` is the part of the change that was stored.
    `earlier_writes` keeps both while such a target is tried again. `blocks` is a bit mask of
    positions in the plan's `targets`. `uid` and `resource_version` are empty for an object that the
    plan lists by name and that did not exist. Times are seconds since the epoch.

    `verified` has what the latest verification found, and `meta.verification` its counts; each
    verification replaces both in one transaction. It has at most `verification.KEPT` rows.

Planning
    During a survey, drafts are kept in SQLite's temporary database (in `SQLITE_TMPDIR`, else
    `TMPDIR`, else `/var/tmp`): pages come in any order, may repeat objects, and are many. The seal
    sorts the drafts, merges those of one object, and fills `targets` in one transaction that also
    sets the state to `planned`. So an interrupted survey leaves a run file in state `planning` that
    has no targets and can be deleted, and Python's memory holds one page.

Durability
    After the seal the file is in WAL mode with `synchronous=FULL`: when a method returns, its
    transaction is on the disk. `claim` commits before it returns targets, so after a crash at any
    moment the file shows which targets may have been sent. `record` commits a group of outcomes at
    once; a crash before the commit leaves those targets in doubt, never lost and never ended twice.
    A WAL torn by a crash ends, by its checksums, at the last whole transaction. `meta` counts the
    rows of the big tables in the transactions that add them; so a file with pages of different
    moments, which a bad copy can produce, is detected when it is opened. `meta.recorded` is the
    time of the latest group, whose lines the log may lack after a crash. `meta.sealed` is a
    checksum over what the seal fixed (`fleetpatch.journal.seal`); a run whose file does not match
    it is refused.

Copies
    A closed run file is in rollback mode: a single file, which can be copied like any other and
    read from a read-only place. While it is being written, or after a crash, its latest
    transactions are in `RUN-wal`. The file itself changes only at a checkpoint: when a session
    begins and ends, and when the log has grown to `database.WAL_LIMIT`. So at any other moment a
    copy of both files, made in any order, has all that was committed when the log was copied;
    SQLite's checksums end a half-copied log at a whole transaction.

    A copy of the file alone has the state of the last checkpoint. It is consistent and can be read,
    but resuming it is refused, since it lacks what was sent after that. `meta.writing` shows
    which file is the original: it identifies the file that is being written (by inode and path),
    and is 0 once the file was closed. A copy that was made during a checkpoint may have pages of
    two moments. That is detected by the rows counted in `meta` when the copy is opened (then copy
    again); in rollback mode every commit would have that risk. `sqlite3 RUN "VACUUM INTO 'COPY'"`
    copies a live run in one piece.

Writers
    One at a time. Calls on one `RunFile` may come from any thread but must not overlap; a lock
    (`fleetpatch.journal.flock`) excludes other processes. Even a second writer could not claim a
    target that another one has claimed.

Versions
    A newer tool reads every older version. A change that an older tool would misread raises
    `FORMAT_VERSION`; a new key in `meta` does not. Version 2 is that of files with rows in
    `computed` or `dependents`: an older tool would send the expressions of a body as they are
    written, and would expect selectors to match dependents. Version 3 is that of files with
    `meta.schemas`, the schemas by which servers merge: an older tool would merge by its own tables.
    All others have version 1.
"""

import re
from typing import Final

APPLICATION_ID: Final = int.from_bytes(b"flpt")
FORMAT_VERSION: Final = 3
"""The newest version that this tool reads."""
FIRST_VERSION: Final = 1
"""The version of a run file that any tool reads."""
COMPUTED_VERSION: Final = 2
"""The version of a run file with rows in `computed` or `dependents`."""
SCHEMAS_VERSION: Final = 3
"""The version of a run file with schemas of servers."""

# By itself, since run files of version 0.1.0 lack it, and it is added when one is opened.
EARLIER_WRITES: Final = """
CREATE TABLE earlier_writes (
    target INTEGER PRIMARY KEY REFERENCES targets,
    wrote TEXT NOT NULL,
    replaced TEXT NOT NULL
);
"""

# The values of the expressions in a patch body, in the shape of `before`. By itself, since run
# files of earlier versions lack it.
COMPUTED: Final = """
CREATE TABLE computed (
    target INTEGER PRIMARY KEY REFERENCES targets,
    fields TEXT NOT NULL
);
"""

# Targets that were not selected, but are owned by one that was. By itself, as `computed`.
DEPENDENTS: Final = """
CREATE TABLE dependents (
    target INTEGER PRIMARY KEY REFERENCES targets,
    owner TEXT NOT NULL
);
"""

# The tables that `where` looks up, in one row of JSON: it is evaluated again after a conflict, and
# the files may have changed. By itself, as COMPUTED.
ROWS: Final = """
CREATE TABLE tables (content BLOB NOT NULL);
"""

# What expressions looked up and did not find; for people, and not sealed. By itself, as COMPUTED.
MISSING_KEYS: Final = """
CREATE TABLE missing_keys (name TEXT NOT NULL, key TEXT NOT NULL, count INTEGER NOT NULL);
"""

# What the latest verification found of the targets that do not hold. By itself, as COMPUTED.
VERIFIED: Final = """
CREATE TABLE verified (
    target INTEGER PRIMARY KEY REFERENCES targets,
    result TEXT NOT NULL,
    manager TEXT NOT NULL,
    since REAL,
    detail TEXT NOT NULL
);
"""

# What was observed of the run over time, as JSON (`model.timeline.Bucket`): at most 240 rows, whose
# `width` is doubled when there would be more. For people, and not sealed. By itself, as COMPUTED.
TIMELINE: Final = """
CREATE TABLE timeline (start INTEGER PRIMARY KEY, width INTEGER NOT NULL, content TEXT NOT NULL);
"""

# Who carried the run out, and when: the newest 500 sessions. As TIMELINE.
SESSIONS: Final = """
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY,
    began REAL NOT NULL,
    ended REAL,
    who TEXT NOT NULL,
    state TEXT NOT NULL,
    cause_code TEXT NOT NULL,
    cause TEXT NOT NULL
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

# Derived from the statements, so that the check of a foreign file cannot miss a table.
TABLE_NAMES: Final = frozenset(re.findall(r"CREATE TABLE (\w+)", TABLES))
VIEW: Final = "standings"

CLAIMED: Final = (
    "t.id <= coalesce((SELECT last FROM claims WHERE first <= t.id ORDER BY first DESC LIMIT 1), 0)"
)
"""Whether the target `t` lies in a claimed range. Ranges do not overlap, so one seek is enough."""

STAGING: Final = """
CREATE TEMP TABLE drafts (
    id INTEGER PRIMARY KEY,
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
    computed TEXT,
    owner TEXT
);
"""
