"""Rotates a log by size: `r1.jsonl` becomes `r1.jsonl.1`, the older `r1.jsonl.1` becomes `.2`.

These are the names that logrotate and container runtimes use. The latest `KEPT` files are kept
beside the log itself, so the disk space is bounded. Each step is one rename to a free name, the
oldest file first, so a process that is killed at any moment loses nothing: it leaves a number free,
which the next rotation uses.

Several processes may write one log. The one that locks the file rotates it; the others notice that
it was renamed, as they notice logrotate.
"""

import errno
import fcntl
import os
from pathlib import Path
from typing import Final

KEPT: Final = 20
"""Rotated files beside the log; the older ones are removed."""


def rotated(path: Path) -> list[Path]:
    """Return the paths of all rotated files that a log may have."""
    return [path.with_name(f"{path.name}.{number}") for number in range(1, KEPT + 1)]


def require_possible(path: Path) -> None:
    """Raise OSError if the folder does not allow files to be renamed."""
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise OSError(
            errno.EACCES, "cannot be rotated, since its folder cannot be written", str(path)
        )


def rotate(path: Path, descriptor: int) -> bool:
    """Rename the open file at `path`; return False if another process is about to do so.

    Raises OSError if it cannot be renamed; then each line is still in one of the files.
    """
    try:
        # Not awaited: the other process may be suspended. The next group of lines tries again.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    try:
        # Another process may have rotated it before the lock was taken.
        if not os.path.samestat(os.fstat(descriptor), path.stat()):
            return True
        names = [path, *rotated(path)]
        free = next((number for number, one in enumerate(names) if not one.exists()), KEPT)
        for number in range(free, 0, -1):
            names[number - 1].replace(names[number])
    except FileNotFoundError:
        # Removed or renamed by another program meanwhile: it is opened again.
        return True
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    return True
