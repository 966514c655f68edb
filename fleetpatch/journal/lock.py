"""The lock of a run: one process at a time may carry it out.

It is an advisory lock of the operating system on a file beside the run file. It dies with the
process that holds it, so a dead holder is never in the way; what stands in the file only names the
holder to whoever is refused. The file itself stays: removing it would let two in.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from fleetpatch.errors import Locked, RunFileError


@contextmanager
def hold(run_file: Path) -> Iterator[None]:
    """Hold the lock of `run_file` while the block runs. Raises Locked, naming the holder."""
    path = run_file.with_name(f"{run_file.name}.lock")
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise RunFileError(f"{path}: the lock cannot be opened ({error.strerror})") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Locked(f"{run_file}: {_holder(lock)} is carrying it out; let it end") from None
        _sign(lock)
        yield
    finally:
        os.close(lock)


def _sign(lock: int) -> None:
    holder = {
        "host": os.uname().nodename,
        "pid": os.getpid(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    os.ftruncate(lock, 0)
    os.pwrite(lock, json.dumps(holder).encode(), 0)


def _holder(lock: int) -> str:
    try:
        holder = json.loads(os.pread(lock, 1024, 0))
        return f"process {holder['pid']} on {holder['host']} (since {holder['since']})"
    except (ValueError, KeyError, TypeError):
        return "another process"
