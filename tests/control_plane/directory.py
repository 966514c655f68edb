"""The directory of one control plane, in memory where there is room."""

import fcntl
import shutil
import tempfile
import time
from pathlib import Path

_PREFIX = "fleetpatch-control-plane-"
_SHARED_MEMORY = Path("/dev/shm")
_ROOM = 2 * 1024**3
_GRACE_SECONDS = 60.0


def memory() -> Path | None:
    """A directory in memory, where fsync costs nothing; None where there is no room.

    A container's /dev/shm is often 64 MiB, which is less than the log that etcd allocates when it
    starts.
    """
    has_room = _SHARED_MEMORY.is_dir() and shutil.disk_usage(_SHARED_MEMORY).free >= _ROOM
    return _SHARED_MEMORY if has_room else None


class StateDirectory:
    """A temporary directory with a lock that is held as long as its owner lives."""

    def __init__(self) -> None:
        _remove_abandoned()
        # etcd 3.4 cannot switch fsync off.
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=memory()))
        self._lock = (self.path / "lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def remove(self) -> None:
        self._lock.close()
        shutil.rmtree(self.path)


def _remove_abandoned() -> None:
    """Remove the directories of runs that were killed before they could do so themselves."""
    for parent in (_SHARED_MEMORY, Path(tempfile.gettempdir())):
        for lock in parent.glob(f"{_PREFIX}*/lock"):
            if _is_abandoned(lock):
                shutil.rmtree(lock.parent, ignore_errors=True)


def _is_abandoned(lock: Path) -> bool:
    try:
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A run that starts right now has made the file but may not have locked it yet.
            return time.time() - lock.stat().st_mtime > _GRACE_SECONDS
    except OSError:
        return False
