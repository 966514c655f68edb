"""Errors of SQLite and of the disk as one line that says what to do next.

Every call of sqlite3 in this folder is within `explained`, which converts its errors.
"""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from fleetpatch.errors import RunFileError
from fleetpatch.model.text import clean, visible

DAMAGED: Final = "is damaged; restore it from a copy, or plan again"

_WORDS: Final = 160
"""Characters of SQLite's own message that are shown; it may quote a damaged page."""

_UNEXPECTED: Final = "SQLite cannot use it; check the file and its folder, then try again"

_PRIMARY_CODE: Final = 0xFF
"""SQLite's extended codes carry the primary one in their low byte."""

RESUME: Final = "then resume the run"
PLAN_AGAIN: Final = "then plan again; nothing was sent, and the run was not kept"
"""The last step of an advice: a recorded run is kept, one that was being planned is removed."""

_NO_ROOM: Final = "the disk (or that of the temporary folder) is full; make room, {then}"
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})

_ADVICE: Final = {
    sqlite3.SQLITE_FULL: _NO_ROOM,
    sqlite3.SQLITE_IOERR: (
        "the disk cannot be read or written; check the disk and the file size limit, {then}"
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
        "a target would be recorded twice; make sure that no other process applies this run, {then}"
    ),
    sqlite3.SQLITE_ERROR: DAMAGED,
    sqlite3.SQLITE_MISMATCH: DAMAGED,
}


def advice(error: sqlite3.Error | OSError | UnicodeDecodeError, then: str = RESUME) -> str:
    """Return what is wrong and what to do, `then` last; the original message is in brackets."""
    if isinstance(error, UnicodeDecodeError):
        return DAMAGED
    if isinstance(error, OSError) and error.errno in _FULL:
        return f"{_NO_ROOM.format(then=then)} ({error.strerror})"
    if isinstance(error, OSError):
        return f"{error.strerror or error}; check the path and the rights on its folder"
    words = clean(str(error), _WORDS)
    if isinstance(error, sqlite3.ProgrammingError):
        return f"it cannot be used ({words}); open it again"
    code = getattr(error, "sqlite_errorcode", None) or sqlite3.SQLITE_ERROR
    said = _ADVICE.get(code & _PRIMARY_CODE, _UNEXPECTED).format(then=then)
    return f"{said} ({words})"


def fault(path: Path, what: str) -> RunFileError:
    """Build the error for the run file at `path`, in one line.

    A file's name may hold anything but a slash, and `what` may quote what the file holds.
    """
    name = os.fsencode(path).decode("utf-8", "backslashreplace")
    return RunFileError(visible(f"run file {name}: {what}"))


@contextmanager
def explained(path: Path, then: str = RESUME) -> Iterator[None]:
    """Turn what sqlite3 or the disk raises about the run file into RunFileError; see `advice`.

    UnicodeDecodeError is sqlite3 failing to quote a damaged page in its own message.
    """
    try:
        yield
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
        raise fault(path, advice(error, then)) from error
