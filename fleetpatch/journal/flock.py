"""File locks: one process at a time for a run file, and for a plan.

A lock is an advisory lock of the operating system (flock) on a file. It ends with the process that
holds it, so there are no stale locks. The file's content names the holder, for the message to other
processes. The file is not removed with the lock: otherwise one process could hold the lock of the
removed file, and another one that of a new file. Only `forget` removes it, after its run file.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from fleetpatch import files
from fleetpatch.errors import Locked, RunFileError
from fleetpatch.model.text import clean
from fleetpatch.model.times import rfc3339

_HOLDER_TIMEOUT: Final = 0.5
"""Seconds to wait for the holder's name, which it writes right after it has got the lock."""
_PROBE_TIMEOUT: Final = 0.1
"""Seconds to wait for a process that only looks whether the lock is held."""
_POLL_INTERVAL: Final = 0.01
"""Seconds."""


def beside(run_file: Path) -> Path:
    """Return the path of the lock of a run file."""
    return run_file.with_name(f"{run_file.name}.lock")


def folder(state: Path) -> Path:
    """Return the folder of the locks of plans, within the state folder."""
    return state / "locks"


def of_plan(state: Path, name: str) -> Path:
    """Return the path of the lock of a plan, within the state folder."""
    return folder(state) / f"{name}.lock"


def is_held(lock_file: Path) -> bool | None:
    """Return whether a process of this machine holds a lock; None if that cannot be found out."""
    try:
        lock = os.open(lock_file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        # Shared, so that two who ask do not see each other. `hold` waits for the moment it takes.
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    else:
        return False
    finally:
        os.close(lock)


@contextmanager
def hold(lock_file: Path, what: str) -> Iterator[None]:
    """Hold a lock while the block runs. Raises Locked, naming the holder and `what` it holds."""
    try:
        files.make_folder(lock_file.parent)
        lock = files.open_own(lock_file, os.O_RDWR)
    except OSError as error:
        raise RunFileError(
            f"{lock_file}: the lock cannot be opened ({error.strerror}); check the file, the rights"
            " on its folder and the disk"
        ) from error
    try:
        if not _lock(lock):
            raise Locked(f"{what}: {_holder(lock)} is applying it; wait until it has ended")
        try:
            _write_holder(lock)
        except OSError as error:
            raise RunFileError(
                f"{lock_file}: the lock cannot be written ({error.strerror})"
            ) from error
        try:
            yield
        finally:
            # Until the next holder has written its name, others must not read this process's name.
            os.ftruncate(lock, 0)
    finally:
        os.close(lock)


def _lock(lock: int) -> bool:
    """Lock a file; return False if another process holds it, and not only looks (`is_held`)."""
    until = time.monotonic() + _PROBE_TIMEOUT
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                return False
            time.sleep(_POLL_INTERVAL)
        else:
            return True


def _write_holder(lock: int) -> None:
    holder = {
        "host": os.uname().nodename,
        "pid": os.getpid(),
        "since": rfc3339(time.time()),
    }
    os.ftruncate(lock, 0)
    os.pwrite(lock, json.dumps(holder).encode(), 0)


def _holder(lock: int) -> str:
    """Describe the process that holds the lock."""
    until = time.monotonic() + _HOLDER_TIMEOUT
    # Empty if the holder has got the lock only a moment ago.
    while not (content := os.pread(lock, 1024, 0)) and time.monotonic() < until:
        time.sleep(_POLL_INTERVAL)
    try:
        holder = json.loads(content)
        return clean(f"process {holder['pid']} on {holder['host']} (since {holder['since']})")
    except (ValueError, KeyError, TypeError, RecursionError):
        return "another process"
