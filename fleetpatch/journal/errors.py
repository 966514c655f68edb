"""Converts errors of SQLite and of the disk to RunFileError: one line that says what to do next.

Every call of sqlite3 in this folder is within `as_run_file_error`.
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
"""Mask of an extended error code of SQLite; its low byte is the primary code."""

RESUME: Final = "then resume the run"
TRY_AGAIN: Final = "then try again"
PLAN_AGAIN: Final = "then plan again; nothing was sent, and the run was not kept"
"""The end of an advice: the file of a sealed run is kept, that of a run in planning is removed. An
existing run that is opened may be wanted for another command than `resume`."""

_NO_ROOM: Final = "the disk (or that of the temporary folder) is full; make room, {next_step}"
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})

# SQLITE_ERROR and SQLITE_MISMATCH count as damage: our statements are fixed and tested, so only
# changed tables can make them fail.
_ADVICE: Final = {
    sqlite3.SQLITE_FULL: _NO_ROOM,
    sqlite3.SQLITE_IOERR: (
        "the disk cannot be read or written; check the disk and the file size limit, {next_step}"
    ),
    # Where it makes room for the index of its log, SQLite does not say why that failed.
    sqlite3.SQLITE_IOERR_SHMSIZE: (
        "the disk is full, or the file size limit is reached; make room, {next_step}"
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
        "a target would be recorded twice; make sure that no other process applies this run, "
        "{next_step}"
    ),
    sqlite3.SQLITE_ERROR: DAMAGED,
    sqlite3.SQLITE_MISMATCH: DAMAGED,
}


def undo_again(run: str) -> str:
    """Return the end of an advice while the undo of a run is planned."""
    return f"then undo again with `fleetpatch undo {run}`; nothing was sent, and no undo was kept"


def advice(error: sqlite3.Error | OSError | UnicodeDecodeError, next_step: str = RESUME) -> str:
    """Return what is wrong and what to do, `next_step` last, with the original message."""
    # sqlite3 fails to decode its own message where that quotes a damaged page.
    if isinstance(error, UnicodeDecodeError):
        return DAMAGED
    if isinstance(error, OSError) and error.errno in _FULL:
        return f"{_NO_ROOM.format(next_step=next_step)} ({error.strerror})"
    if isinstance(error, OSError):
        return f"{error.strerror or error}; check the path and the rights on its folder"
    words = clean(str(error), _WORDS)
    if isinstance(error, sqlite3.ProgrammingError):
        return f"it cannot be used ({words}); open it again"
    code = getattr(error, "sqlite_errorcode", None) or sqlite3.SQLITE_ERROR
    known = _ADVICE.get(code) or _ADVICE.get(code & _PRIMARY_CODE, _UNEXPECTED)
    described = known.format(next_step=next_step)
    return f"{described} ({words})"


def run_file_error(path: Path, what: str) -> RunFileError:
    """Return the error for the run file at `path`, in one line."""
    # A file's name may have any byte but a slash, and `what` may quote the content of the file.
    name = os.fsencode(path).decode("utf-8", "backslashreplace")
    return RunFileError(visible(f"run file {name}: {what}"))


@contextmanager
def as_run_file_error(path: Path, next_step: str = RESUME) -> Iterator[None]:
    """Convert what sqlite3 or the disk raises in the block to RunFileError; see `advice`."""
    try:
        yield
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
        raise run_file_error(path, advice(error, next_step)) from error
