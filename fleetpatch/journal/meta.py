"""The facts of a run as a whole: the tables `meta`, `clusters` and `reasons`."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import asdict, fields

from fleetpatch.journal import codec
from fleetpatch.journal.activity import Activity, quoted, unquoted
from fleetpatch.journal.database import Database
from fleetpatch.journal.errors import DAMAGED, as_run_file_error, run_file_error
from fleetpatch.journal.rows import ClusterRow
from fleetpatch.journal.schema import (
    APPLICATION_ID,
    COMPUTED,
    DEPENDENTS,
    EARLIER_WRITES,
    FIRST_VERSION,
    MISSING_KEYS,
    ROWS,
    SCHEMAS_VERSION,
    SESSIONS,
    TABLES,
    TIMELINE,
    VERIFIED,
)
from fleetpatch.model.answer import add_warnings
from fleetpatch.model.cause import Cause
from fleetpatch.model.outcome import OUTCOME_OF
from fleetpatch.model.resource import Resource
from fleetpatch.model.run import ClusterInfo, RunInfo, RunState, Usage
from fleetpatch.model.steering import Request
from fleetpatch.model.verification import Verification
from fleetpatch.rules.patching.merging import RunMerging
from fleetpatch.rules.patching.server_schema import ServerSchema

_INFO: Final = tuple(f.name for f in fields(RunInfo) if f.name not in {"clusters", "annotations"})
_USAGE: Final = tuple(f.name for f in fields(Usage))

_warnings: Final = msgspec.json.Decoder(dict[str, int])
_steering: Final = msgspec.json.Decoder(tuple[Request, ...])
_verification: Final = msgspec.json.Decoder(Verification)
_relatives: Final = msgspec.json.Decoder(dict[str, Activity])

_ADDED: Final = (
    ("earlier_writes", EARLIER_WRITES),
    ("computed", COMPUTED),
    ("dependents", DEPENDENTS),
    ("tables", ROWS),
    ("missing_keys", MISSING_KEYS),
    ("verified", VERIFIED),
    ("timeline", TIMELINE),
    ("sessions", SESSIONS),
)
_TABLES: Final = ("targets", "claims", "outcomes")
_LENGTHS: Final = """
SELECT (SELECT coalesce(max(id), 0) FROM targets), (SELECT count(*) FROM claims),
       (SELECT count(*) FROM outcomes)
"""
_CLUSTERS: Final = "SELECT id, name, server, context, first, last FROM clusters ORDER BY id"
_RESOURCES: Final = """
SELECT id, api_group, version, plural, kind, singular, short_names, namespaced FROM resources
"""
_CLUSTER: Final = "INSERT INTO clusters (id, name, server, context) VALUES (?, ?, ?, ?)"
_INCONSISTENT: Final = "UPDATE clusters SET inconsistent = 1 WHERE id = ?"
_REASON: Final = "INSERT INTO reasons VALUES (?, ?)"
_ADD: Final = "UPDATE meta SET value = value + ? WHERE key = ?"


def create_tables(database: Database, info: RunInfo) -> None:
    """Create the tables of a new run, in state `planning`."""
    values = asdict(info)
    # One transaction: the file gets its name after it, with all of the tables.
    with database.transaction() as connection:
        # Not executescript, which commits a pending transaction first.
        for statement in (*TABLES.split(";"), *(added for _, added in _ADDED)):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {FIRST_VERSION}")
        connection.executemany(_REASON, _outcomes_of_reasons())
        connection.executemany(
            _CLUSTER,
            [(i, c.name, c.server, c.context) for i, c in enumerate(info.clusters, 1)],
        )
        database.put((key, values[key]) for key in _INFO)
        routes = {cluster.name: cluster.route for cluster in info.clusters if cluster.route}
        database.put([("routes", msgspec.json.encode(routes).decode())])
        note_missing(database, info)
        database.put([("annotations", msgspec.json.encode(info.annotations).decode())])
        # A row for each counter: `_ADD` would skip a missing one without an error.
        database.put((key, 0) for key in (*_USAGE, *_TABLES, "writing"))
        put_state(database, RunState.PLANNING, None)
        database.put([("undone_by", "")])


def add_missing(database: Database, *, write: bool) -> None:
    """Create what run files of earlier versions lack: tables, and with `write` reasons.

    So queries need not distinguish old files. A file that is only read stays unchanged: its tables
    are temporary ones, and it has no outcomes with reasons that it lacks.
    """
    if write:
        _add_missing_reasons(database)
    known = {name for (name,) in database.rows("SELECT name FROM sqlite_master")}
    for name, statement in _ADDED:
        if name in known:
            continue
        if write:
            with database.transaction() as connection:
                connection.execute(statement)
        else:
            with as_run_file_error(database.path):
                database.connection.execute(statement.replace("TABLE", "TEMP TABLE"))


def _add_missing_reasons(database: Database) -> None:
    """Add the reasons that this version may record, for the view `standings`."""
    known = {reason for (reason,) in database.rows("SELECT reason FROM reasons")}
    missing = [row for row in _outcomes_of_reasons() if row[0] not in known]
    if missing:
        with database.transaction() as connection:
            connection.executemany(_REASON, missing)


def _outcomes_of_reasons() -> list[tuple[str, str]]:
    return [(reason.value, outcome.value) for reason, outcome in OUTCOME_OF.items()]


def info(database: Database) -> RunInfo:
    """Read the facts that are fixed when the run is created."""
    meta = database.meta()
    # Run files of earlier versions have neither `routes` nor what people wrote about the run.
    with database.decoding():
        routes = msgspec.json.decode(meta.get("routes", "{}"), type=dict[str, str])
        missing = msgspec.json.decode(meta.get("missing", "{}"), type=dict[str, str])
        annotations = msgspec.json.decode(meta.get("annotations", "{}"), type=dict[str, str])
    return RunInfo(
        run=meta["run"],
        plan_name=meta["plan_name"],
        plan_digest=meta["plan_digest"],
        plan=meta["plan"],
        created_at=meta["created_at"],
        created_by=meta["created_by"],
        tool_version=meta["tool_version"],
        clusters=tuple(
            ClusterInfo(
                c.name, c.server, c.context, routes.get(c.name, ""), missing.get(c.name, "")
            )
            for c in clusters(database)
        ),
        dry_run=bool(meta["dry_run"]),
        undo_of=meta["undo_of"],
        reason=meta.get("reason", ""),
        description=meta.get("description", ""),
        annotations=annotations,
        plan_folder=meta.get("plan_folder", ""),
    )


def clusters(database: Database) -> list[ClusterRow]:
    """Read the clusters, in the fleet's order."""
    rows = database.rows(_CLUSTERS)
    with database.decoding():
        return [codec.cluster(row) for row in rows]


def resources(database: Database) -> dict[int, Resource]:
    """Read the kinds of the run, by their numbers in its rows."""
    rows = database.rows(_RESOURCES)
    with database.decoding():
        return {row[0]: codec.resource(row[1:]) for row in rows}


def state(database: Database) -> tuple[RunState, str, str]:
    """Read the state of the run, its cause and the code of the cause."""
    meta = database.meta()
    # Run files of earlier versions have no code.
    return meta["state"], meta["cause"], meta.get("cause_code") or ""


def put_state(database: Database, state: RunState, cause: Cause | None) -> None:
    """Store the state of the run and its cause, within a transaction."""
    code, text = (cause.code.value, cause.text) if cause else ("", "")
    database.put([("state", state.value), ("cause", text), ("cause_code", code)])


def undone_by(database: Database) -> str:
    """Read the id of the run that undid this one; empty if there is none."""
    return database.meta()["undone_by"]


def undone_in_part(database: Database) -> bool:
    """Read whether the run that undid this one has put back only a part of it so far."""
    return bool(database.meta().get("undone_in_part", 0))


def relatives(database: Database) -> dict[str, Activity] | None:
    """Read what was noted of the other runs when this undo was planned; None in older files."""
    text = database.meta().get("relatives")
    with database.decoding():
        return None if text is None else _relatives.decode(text)


def note_relatives(database: Database, known: Mapping[str, Activity]) -> None:
    """Note what is known of the other runs, within a transaction."""
    database.put([("relatives", msgspec.json.encode(known).decode())])


def file_of_undone(database: Database) -> Path | None:
    """Read the path of the run file that this undo undoes; None if it is not known."""
    text = database.meta().get("file_of_undone")
    return unquoted(text) if text else None


def note_file_of_undone(database: Database, run_file: Path) -> None:
    """Note the path of the run file that this undo undoes, within a transaction."""
    database.put([("file_of_undone", quoted(run_file))])


def file_of_undo(database: Database) -> Path | None:
    """Read the path of the undo that undid this run; None if it is not known."""
    text = database.meta().get("file_of_undo")
    return unquoted(text) if text else None


def note_undo(database: Database, undo: str, run_file: Path | None, *, in_part: bool) -> None:
    """Note which undo has put back the run, or a part of it, within a transaction.

    `undo` is empty if none has, and `run_file` None if its run file is not known.
    """
    path = quoted(run_file) if run_file else ""
    facts = {"undone_by": undo, "undone_in_part": int(in_part), "file_of_undo": path}
    database.put(facts.items())


def partly(database: Database) -> bool:
    """Read whether the run is unfinished only because of breakers."""
    return bool(database.meta().get("partly"))


def over_workers(database: Database) -> bool:
    """Read whether workers sent the requests of the latest session."""
    return bool(database.meta().get("over_workers"))


def accepted_failures(database: Database) -> int:
    """Read the number of failures that a person accepted by resuming a halted run."""
    return database.meta().get("pardoned", 0)


def note_missing(database: Database, info: RunInfo) -> None:
    """Note the clusters that the run leaves out, within a transaction."""
    database.put([("missing", msgspec.json.encode(info.missing).decode())])


def mark_inconsistent(database: Database, cluster: int) -> None:
    """Note that the survey of a cluster read more than one version of a list; in a transaction."""
    database.connection.execute(_INCONSISTENT, (cluster,))


class _Schemas(msgspec.Struct):
    """The schemas of the servers of a run, as `RunMerging` has them."""

    schemas: tuple[ServerSchema, ...] = ()
    places: dict[str, int] = {}


def note_merging(database: Database, merging: RunMerging) -> None:
    """Note how the clusters merge, within a transaction."""
    database.put([("releases", msgspec.json.encode(merging.releases).decode())])
    if merging.schemas:
        kept = _Schemas(merging.schemas, dict(merging.places))
        database.put([("schemas", msgspec.json.encode(kept).decode())])
        database.require(SCHEMAS_VERSION)


def merging(database: Database) -> RunMerging:
    """Read how the clusters merge; clusters of unknown version are missing."""
    with database.decoding():
        found = database.meta()
        releases = msgspec.json.decode(found.get("releases", "{}"), type=dict[str, str])
        kept = msgspec.json.decode(found.get("schemas", "{}"), type=_Schemas)
    return RunMerging(releases, kept.schemas, kept.places)


def steering(database: Database) -> tuple[Request, ...]:
    """Read the requests that sessions of the run have followed, in their order."""
    with database.decoding():
        return _steering.decode(database.meta().get("steering", "[]"))


def add_steering(database: Database, requests: Iterable[Request]) -> None:
    """Add requests that were followed, within a transaction; those that are known are left out."""
    known = steering(database)
    ids = {one.id for one in known}
    followed = (*known, *(one for one in requests if one.id not in ids))
    database.put([("steering", msgspec.json.encode(followed).decode())])


def verification(database: Database) -> Verification | None:
    """Read the latest verification; None if there was none."""
    text = database.meta().get("verification")
    with database.decoding():
        return _verification.decode(text) if text else None


def put_verification(database: Database, verification: Verification) -> None:
    """Store the latest verification, within a transaction."""
    database.put([("verification", msgspec.json.encode(verification).decode())])


def planning(database: Database) -> float:
    """Read the seconds that planning took, a part of the usage; 0 in files of earlier versions."""
    return database.meta().get("planning", 0.0)


def note_planning(database: Database, seconds: float) -> None:
    """Note how long planning took, within a transaction."""
    database.put([("planning", seconds)])


def usage(database: Database) -> Usage:
    """Read the usage of the run over all its sessions."""
    meta = database.meta()
    return Usage(meta["patch"], meta["get"], meta["list"], meta["retries"], meta["elapsed"])


def warnings(database: Database) -> dict[str, int]:
    """Read the servers' warnings over all sessions: counts by text."""
    text = database.meta().get("warnings")
    with database.decoding():
        return _warnings.decode(text) if text else {}


def count_warnings(database: Database, new: Mapping[str, int]) -> None:
    """Add to the servers' warnings, within a transaction."""
    if new:
        counts = add_warnings(warnings(database), new)
        database.put([("warnings", msgspec.json.encode(counts).decode())])


def add_to_row_count(database: Database, table: str, rows: int) -> None:
    """Add `rows` to the recorded length of a table, within the transaction that adds them.

    `verify` compares the recorded lengths with the tables.
    """
    database.connection.execute(_ADD, (rows, table))


def note_group(database: Database, moment: float) -> None:
    """Store the time of the latest group of outcomes, within the transaction that adds it."""
    database.put([("recorded", moment)])


def latest_group(database: Database) -> float | None:
    """Read the time of the latest group of outcomes; None before the first."""
    return database.meta().get("recorded")


def verify(database: Database) -> None:
    """Raise RunFileError if the tables do not have their recorded lengths.

    A bad copy can have pages of different moments, each of them valid. SQLite's own check does not
    detect that.
    """
    with database.snapshot():
        meta = database.meta()
        (found,) = database.rows(_LENGTHS)
    if found != tuple(meta.get(key) for key in _TABLES):
        raise run_file_error(database.path, DAMAGED)


def add_usage(database: Database, spent: Usage) -> None:
    """Add to the usage of the run, within a transaction."""
    rows: Iterable[tuple[Any, str]] = [(value, key) for key, value in asdict(spent).items()]
    database.connection.executemany(_ADD, rows)
