"""Creates, opens and checks the SQLite file of a run.

The first 100 bytes of a file are checked before SQLite opens it: magic, `application_id`,
`user_version`, and whether it is in WAL mode, which means that it is in use, or that its writer
crashed, or that it was copied while in use. Then `PRAGMA quick_check` reads all of it. That would
take seconds for files larger than `CHECKED_WHOLE`: of those only the schema is checked, and other
damage is detected when it is read.

While a run is written, `meta.writing` has the identity of its file (`identity`). A file in WAL mode
without a log is the original if that is its own identity (another SQLite has merged the log), and
otherwise a copy that was made without the log.
"""

import os
import re
import secrets
import sqlite3
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from fleetpatch import files
from fleetpatch.errors import RunFileError
from fleetpatch.journal.errors import DAMAGED, RESUME, as_run_file_error, run_file_error
from fleetpatch.journal.schema import APPLICATION_ID, FORMAT_VERSION, TABLE_NAMES, VIEW
from fleetpatch.model.text import clean

CHECKED_WHOLE: Final = 128 * 2**20
"""Bytes; a larger file is not checked as a whole when it is opened."""

BUSY_TIMEOUT: Final = 5.0
"""Seconds to wait for another process's transaction."""

# The header's layout: https://www.sqlite.org/fileformat.html, "The Database Header".
_MAGIC: Final = b"SQLite format 3\0"
_HEADER_SIZE: Final = 100
_WAL_MODE: Final = 2
_DRAFT: Final = re.compile(r"\..+\.run\.[0-9a-f]{8}\.new(-wal|-shm|-journal)?", re.DOTALL)
_SETTINGS: Final = (
    # A commit is on the disk when it returns.
    "PRAGMA synchronous = FULL",
    # Functions that the schema of a foreign file names are not called.
    "PRAGMA trusted_schema = OFF",
    # Memory stays bounded for any number of targets: drafts on the disk, caches in KiB.
    "PRAGMA temp_store = FILE",
    "PRAGMA main.cache_size = -8000",
    "PRAGMA temp.cache_size = -4000",
    # `Database` decides when: a copy that is made during a checkpoint is useless.
    "PRAGMA wal_autocheckpoint = 0",
)


class Opened(NamedTuple):
    """A connection; `outdated` if the file is a copy without its log, so of an earlier state."""

    connection: sqlite3.Connection
    outdated: bool


def is_database(path: Path) -> bool:
    """Return whether a file begins like an SQLite database. Raises RunFileError."""
    with as_run_file_error(path):
        start, _ = files.read_start(path, len(_MAGIC))
        return start == _MAGIC


def create(path: Path, next_step: str) -> tuple[Path, sqlite3.Connection]:
    """Create an empty database under another name, and its folder if that is missing.

    `publish` gives it its own name when its tables are there: else a process that is killed between
    both would leave a run file that cannot be read. Returns that other name, and a connection.

    The file is readable only by its owner, or by the group that its folder is made for. SQLite
    gives the files beside it the same mode.

    Raises RunFileError if something of the name exists, or if it cannot be created; `next_step`
    ends the advice.
    """
    with as_run_file_error(path, next_step):
        files.make_folder(path.parent)
        # SQLite would replay a log or journal of this name into the new file.
        for leftover in _all_beside(path):
            if os.path.lexists(leftover):
                raise run_file_error(
                    path, f"{leftover.name} exists beside it; remove it, or name another"
                )
        if os.path.lexists(path):
            raise _exists_already(path)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
        mode = files.mode_of_new(path)
        handle = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, mode)
        try:
            os.fchmod(handle, mode)  # the umask may have taken rights from the owner
        finally:
            os.close(handle)
    try:
        return draft, _connect(draft, "rw", next_step)
    except BaseException:
        erase(draft)
        raise


def publish(draft: Path, path: Path, next_step: str) -> sqlite3.Connection:
    """Give a new database, which nothing has open, its own name, and connect to it.

    Raises RunFileError if something of that name exists now, or if it cannot be renamed.
    """
    with as_run_file_error(path, next_step):
        try:
            # Unlike a rename, a link does not replace what another process has created meanwhile.
            os.link(draft, path)
        except FileExistsError:
            raise _exists_already(path) from None
        except OSError:  # some file systems have no links
            if os.path.lexists(path):
                raise _exists_already(path) from None
            draft.rename(path)
        else:
            draft.unlink()
    try:
        with as_run_file_error(path, next_step):
            _sync_folder(path.parent)
        return _connect(path, "rw", next_step)
    except BaseException:
        erase(path)
        raise


def _exists_already(path: Path) -> RunFileError:
    return run_file_error(path, "exists already; name another, or resume it")


def open_to_read(path: Path, *, check: bool = True) -> Opened:
    """Open an existing run file to read it, also while another process writes it.

    A file with a rollback journal is opened read-write, since SQLite must roll it back before it
    can be read. One in WAL mode without its log is opened as immutable, so that SQLite does not
    create a log beside it.
    """
    wal_mode = _check_header(path)
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
    """Open an existing run file to continue the run. Raises RunFileError for an outdated copy."""
    with as_run_file_error(path):
        files.refuse_foreign(path)
    opened = _opened(path, "rw", wal_mode=_check_header(path), check=True)
    if opened.outdated:
        opened.connection.close()
        raise run_file_error(
            path,
            f"was copied while it was written; without {wal_of(path).name} it has an earlier "
            "state: it can be read, but resuming it would patch targets again; copy both files",
        )
    return opened


def identity(path: Path) -> str:
    """Return inode and path of a file; a copy differs in at least one of them."""
    name = os.fsencode(path.absolute()).decode("utf-8", "backslashreplace")
    return f"{path.stat().st_ino} {name}"


def wal_of(path: Path) -> Path:
    """Return the path of the write-ahead log of a run file."""
    return _beside(path, "-wal")


def erase(path: Path) -> None:
    """Remove a run file, with the files that SQLite keeps beside it."""
    with as_run_file_error(path):
        for name in (path, *_all_beside(path)):
            name.unlink(missing_ok=True)


def erase_drafts(folder: Path, before: float) -> None:
    """Remove what `create` has left in a folder of runs when its process was killed.

    Those are files of this user that were last written before the moment `before`. A draft has its
    other name for less than a second. What cannot be removed stays.
    """
    for path in folder.glob(".*.new*"):
        if not _DRAFT.fullmatch(path.name):
            continue
        with suppress(OSError):  # another process may have removed it
            found = path.lstat()
            is_own = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
            if is_own and found.st_mtime < before:
                path.unlink()


def _check_header(path: Path) -> bool:
    """Check the header of a run file; return whether it is in WAL mode. Raises RunFileError."""
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
    expected_size = int.from_bytes(head[16:18]) * int.from_bytes(head[28:32])  # page size, pages
    # In WAL mode, or with a journal to roll back, the header may be of another moment.
    if size < expected_size and not wal_mode and not _journal_of(path).exists():
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
    """Connect with `_SETTINGS`, and without implicit transactions."""
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
    """Raise RunFileError for views, triggers or virtual tables that are not ours.

    A query of a foreign view might never end.
    """
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    for kind, name, sql in rows:
        foreign_view = kind == "view" and name != VIEW
        if kind == "trigger" or foreign_view or str(sql).upper().startswith("CREATE VIRTUAL"):
            found = clean(f"{kind} {name}")
            raise run_file_error(path, f"{DAMAGED} ({found}: fleetpatch makes none of that name)")
    plain = {name for kind, name, _ in rows if kind == "table"}
    if missing := TABLE_NAMES - plain:
        raise run_file_error(path, f"{DAMAGED} (without the table {min(missing)})")


def _is_copy(path: Path, connection: sqlite3.Connection) -> bool:
    """Return whether this is a copy of a file that was in use when it was copied."""
    found = connection.execute("SELECT value FROM meta WHERE key = 'writing'").fetchone()
    return found is not None and found[0] not in (0, identity(path))


def _has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _check(path: Path, connection: sqlite3.Connection) -> None:
    """Check all pages, or only the schema of a large file."""
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    size = connection.execute("PRAGMA page_size").fetchone()[0]
    if pages * size > CHECKED_WHOLE:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise run_file_error(path, f"{DAMAGED} ({clean(found)})")


def _journal_of(path: Path) -> Path:
    """Return the path of the rollback journal, which exists during a seal or a change of mode."""
    return _beside(path, "-journal")


def _all_beside(path: Path) -> list[Path]:
    """Return the paths of the files that SQLite may keep beside a run file."""
    return [_beside(path, suffix) for suffix in ("-wal", "-shm", "-journal")]


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _sync_folder(folder: Path) -> None:
    """Write the folder's entries to the disk, so that a new file survives a power loss."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
