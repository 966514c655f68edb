"""What SQLite and the disk complain of, in one line that says what to do next.

Every call into sqlite3 in this folder stands within `explained`, so that its errors end here.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from fleetpatch.errors import RunFileError
from fleetpatch.model.text import clean

DAMAGED: Final = "is damaged; restore it from a copy, or plan again"

_WORDS: Final = 160
"""Characters of SQLite's own words that are shown; they may quote a damaged page."""

_UNEXPECTED: Final = "SQLite refused it; check the file and its folder, then try again"

_PRIMARY_CODE: Final = 0xFF
"""SQLite's extended codes carry the primary one in their low byte."""

_ADVICE: Final = {
    sqlite3.SQLITE_FULL: "the disk is full; make room, then resume the run",
    sqlite3.SQLITE_IOERR: (
        "the disk cannot be read or written; check it and the file size limit, then resume the run"
    ),
    sqlite3.SQLITE_BUSY: "another process is writing to it; wait for it to end, then try again",
    sqlite3.SQLITE_LOCKED: "another process is writing to it; wait for it to end, then try again",
    sqlite3.SQLITE_READONLY: "it cannot be written; check the rights on the file and its folder",
    sqlite3.SQLITE_PERM: "it may not be opened; check the rights on the file and its folder",
    sqlite3.SQLITE_CANTOPEN: (
        "it cannot be opened; check the rights on the file, its folder and the temporary folder"
    ),
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
    sqlite3.SQLITE_CONSTRAINT: (
        "a target would be recorded twice; make sure that no other process works on this run, "
        "then resume it"
    ),
    sqlite3.SQLITE_ERROR: DAMAGED,
    sqlite3.SQLITE_MISMATCH: DAMAGED,
}


def advice(error: sqlite3.Error | OSError | UnicodeDecodeError) -> str:
    """Say what is wrong and what to do; the original words follow in brackets."""
    if isinstance(error, UnicodeDecodeError):
        return DAMAGED
    if isinstance(error, OSError):
        return f"{error.strerror or error}; check the path and the rights on its folder"
    words = clean(str(error), _WORDS)
    if isinstance(error, sqlite3.ProgrammingError):
        return f"it cannot be used ({words}); open it again"
    code = getattr(error, "sqlite_errorcode", None) or sqlite3.SQLITE_ERROR
    return f"{_ADVICE.get(code & _PRIMARY_CODE, _UNEXPECTED)} ({words})"


def fault(path: Path, what: str) -> RunFileError:
    """Build the error for the run file at `path`."""
    return RunFileError(f"run file {path}: {what}")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what sqlite3 or the disk raises about the run file into RunFileError.

    UnicodeDecodeError is sqlite3 failing to quote a damaged page in its own message.
    """
    try:
        yield
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
        raise fault(path, advice(error)) from error
