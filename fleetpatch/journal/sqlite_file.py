"""Creating, opening and checking the SQLite file of a run.

The first 100 bytes of a file are checked before SQLite opens it: magic, `application_id`,
`user_version`, and whether it is in WAL mode, that is in use, crashed, or copied while in use. Then
`PRAGMA quick_check` reads all of it. That takes seconds for files larger than `CHECKED_WHOLE`: of
them only the schema is checked, and damage elsewhere is found when it is read.

While a run is written, `meta.writing` holds the identity of its file (`identity`). A file in WAL
mode without a log is the original if that identity is still its own (another SQLite has merged the
log); otherwise it is a copy that was made without the log.
"""

import os
import sqlite3
from pathlib import Path
from typing import Final, NamedTuple

from fleetpatch import files
from fleetpatch.journal.errors import DAMAGED, PLAN_AGAIN, RESUME, as_run_file_error, run_file_error
from fleetpatch.journal.schema import APPLICATION_ID, FORMAT_VERSION, TABLE_NAMES, VIEW
from fleetpatch.model.text import clean

CHECKED_WHOLE: Final = 128 * 2**20
"""Bytes up to which all of a file is checked when it is opened."""

BUSY_TIMEOUT: Final = 5.0
"""Seconds to wait for another process's transaction."""

_MAGIC: Final = b"SQLite format 3\0"
_HEADER_SIZE: Final = 100
_WAL_MODE: Final = 2
_SETTINGS: Final = (
    "PRAGMA synchronous = FULL",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA temp_store = FILE",
    "PRAGMA main.cache_size = -2000",
    "PRAGMA temp.cache_size = -4000",
    "PRAGMA wal_autocheckpoint = 0",
)


class Opened(NamedTuple):
    """A connection; `outdated` where the file is a copy without its log, so of an earlier state."""

    connection: sqlite3.Connection
    outdated: bool


def is_database(path: Path) -> bool:
    """Tell by its first bytes whether a file is an SQLite database. Raises RunFileError."""
    with as_run_file_error(path):
        start, _ = files.read_start(path, len(_MAGIC))
        return start == _MAGIC


def create(path: Path) -> sqlite3.Connection:
    """Make an empty database, readable by its owner alone, and its folder if that is missing.

    Raises RunFileError where something of that name exists or cannot be made.
    """
    with as_run_file_error(path, PLAN_AGAIN):
        files.make_folder(path.parent)
        for leftover in _all_beside(path):
            if os.path.lexists(leftover):
                raise run_file_error(
                    path, f"{leftover.name} exists beside it; remove it, or name another"
                )
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            raise run_file_error(path, "exists already; name another, or resume it") from None
        try:
            os.fchmod(handle, 0o600)
        finally:
            os.close(handle)
    try:
        with as_run_file_error(path, PLAN_AGAIN):
            _sync_folder(path.parent)
        return _connect(path, "rw", PLAN_AGAIN)
    except BaseException:
        erase(path)
        raise


def open_to_read(path: Path, *, check: bool = True) -> Opened:
    """Open an existing run file to read it, also while another process writes it.

    A file with a rollback journal is opened read-write, since SQLite must roll it back before it
    can be read. One in WAL mode without its log is opened as immutable, so that SQLite does not
    create a log beside it.
    """
    wal_mode = _judge(path)
    if _journal_of(path).exists():
        with as_run_file_error(path):
            files.refuse_foreign(path)
        mode = "rw"
    elif wal_mode and not wal_of(path).exists():
        mode = "ro&immutable=1"
    else:
        mode = "ro"
    return _opened(path, mode, wal_mode=wal_mode, check=check)


def open_to_write(path: Path) -> Opened:
    """Open an existing run file for going on with it."""
    with as_run_file_error(path):
        files.refuse_foreign(path)
    opened = _opened(path, "rw", wal_mode=_judge(path), check=True)
    if opened.outdated:
        opened.connection.close()
        raise run_file_error(
            path,
            f"was copied while it was written, and without {wal_of(path).name} it is of an earlier "
            "moment: it can be read, but resuming it would patch targets again; copy both files",
        )
    return opened


def identity(path: Path) -> str:
    """Return the identity of a file, which a copy does not share: inode and path."""
    name = os.fsencode(path.absolute()).decode("utf-8", "backslashreplace")
    return f"{path.stat().st_ino} {name}"


def wal_of(path: Path) -> Path:
    """The write-ahead log beside a run file."""
    return _beside(path, "-wal")


def erase(path: Path) -> None:
    """Remove a run file with all that SQLite keeps beside it."""
    with as_run_file_error(path):
        for name in (path, *_all_beside(path)):
            name.unlink(missing_ok=True)


def _judge(path: Path) -> bool:
    """Check the header of a run file; returns whether it is in WAL mode. Raises RunFileError."""
    with as_run_file_error(path):
        try:
            head, size = files.read_start(path, _HEADER_SIZE)
        except FileNotFoundError:
            raise run_file_error(
                path, "does not exist; `fleetpatch status` lists the runs"
            ) from None
        for other in _all_beside(path):
            files.refuse_foreign(other)
    if not head.startswith(_MAGIC):
        raise run_file_error(path, "is not a run file: not an SQLite database; check the path")
    if len(head) < _HEADER_SIZE:
        raise run_file_error(path, DAMAGED)
    if int.from_bytes(head[68:72]) != APPLICATION_ID:
        raise run_file_error(
            path, "is not a run file: another program's SQLite database; check the path"
        )
    version = int.from_bytes(head[60:64])
    if version > FORMAT_VERSION:
        raise run_file_error(
            path,
            f"has format {version}, this fleetpatch reads {FORMAT_VERSION}; upgrade fleetpatch",
        )
    wal_mode = head[18] == _WAL_MODE
    proper_size = int.from_bytes(head[16:18]) * int.from_bytes(head[28:32])
    if size < proper_size and not wal_mode and not _journal_of(path).exists():
        raise run_file_error(path, DAMAGED)
    return wal_mode


def _opened(path: Path, mode: str, *, wal_mode: bool, check: bool) -> Opened:
    lacks_log = wal_mode and not _has_content(wal_of(path))
    connection = _connect(path, mode)
    try:
        with as_run_file_error(path):
            _refuse_foreign_schema(path, connection)
            if check:
                _check(path, connection)
            return Opened(connection, lacks_log and _is_copy(path, connection))
    except BaseException:
        connection.close()
        raise


def _connect(path: Path, mode: str, next_step: str = RESUME) -> sqlite3.Connection:
    """Connect, with our settings and without implicit transactions."""
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    with as_run_file_error(path, next_step):
        connection = sqlite3.connect(
            uri, uri=True, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
        )
        try:
            for setting in _SETTINGS:
                connection.execute(setting)
        except BaseException:
            connection.close()
            raise
    return connection


def _refuse_foreign_schema(path: Path, connection: sqlite3.Connection) -> None:
    """Refuse a file with views, triggers or virtual tables of others: a query could never end."""
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    for kind, name, sql in rows:
        odd_view = kind == "view" and name != VIEW
        if kind == "trigger" or odd_view or str(sql).upper().startswith("CREATE VIRTUAL"):
            said = clean(f"{kind} {name}")
            raise run_file_error(path, f"{DAMAGED} ({said}: fleetpatch makes none of that name)")
    plain = {name for kind, name, _ in rows if kind == "table"}
    if missing := TABLE_NAMES - plain:
        raise run_file_error(path, f"{DAMAGED} (without the table {min(missing)})")


def _is_copy(path: Path, connection: sqlite3.Connection) -> bool:
    """Whether another file was written, and not closed, when this one was copied from it."""
    found = connection.execute("SELECT value FROM meta WHERE key = 'writing'").fetchone()
    return found is not None and found[0] not in (0, identity(path))


def _has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _check(path: Path, connection: sqlite3.Connection) -> None:
    """Check all pages, or only the schema of a big file."""
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    size = connection.execute("PRAGMA page_size").fetchone()[0]
    if pages * size > CHECKED_WHOLE:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise run_file_error(path, f"{DAMAGED} ({clean(found)})")


def _journal_of(path: Path) -> Path:
    """The rollback journal beside a run file, there while its mode changes or it is sealed."""
    return _beside(path, "-journal")


def _all_beside(path: Path) -> list[Path]:
    """What SQLite may keep beside a run file."""
    return [_beside(path, suffix) for suffix in ("-wal", "-shm", "-journal")]


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _sync_folder(folder: Path) -> None:
    """Make sure that a new file's name survives a power loss."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
