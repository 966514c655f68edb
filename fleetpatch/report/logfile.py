"""The file of a log: opened safely, written in whole lines, and found again when it was rotated.

Where a log has its default place it is a file of ours (`fleetpatch.files`). A person who names one
may also mean a device, a pipe, a terminal or `/dev/stdout`: those are taken as they are.

A file that was renamed or removed while the run goes on (logrotate, mv, rm) is noticed right before
the next write, which opens the path again, so the lines of the run go where a reader of the path
looks. A write costs two `fstat` and one `stat` for that; lines are written in groups, at most 20
times a second. What `copytruncate` leaves is appended to, at its new end.
"""

import os
import stat
from pathlib import Path
from typing import Final

from fleetpatch import files
from fleetpatch.errors import LogError

ENOUGH: Final = 64 * 1024
"""Bytes of the buffer from which it is flushed: large enough that a write call costs little."""

_SYSTEM_FOLDERS: Final = ("/dev", "/proc")
"""Links in them are made by the system and may be followed: `/dev/stdout`, `/dev/fd/3`."""


class LogFile:
    """An append-only file. Lines that could not be written stay in the buffer.

    `ours` is True where the path is the default one and no person chose it. Raises LogError, from
    the constructor and from all methods.
    """

    def __init__(self, path: Path, *, ours: bool = False) -> None:
        self._path = path
        self._is_plain = ours or _is_plain(path)
        self._waiting = bytearray()
        try:
            self._file = self._open()
            # A line appended to half a line would make both unreadable.
            if _ends_torn(self._file, path):
                self._waiting += b"\n"
        except OSError as error:
            raise self._fault("cannot be opened", error) from error

    def write(self, line: bytes) -> None:
        """Buffer a line, which includes its line end; flush a full buffer."""
        self._waiting += line
        if len(self._waiting) >= ENOUGH:
            self.flush()

    def flush(self) -> None:
        """Hand all lines to the operating system."""
        try:
            # Twice at most: a file that is removed at every write must not hold the event loop.
            for _ in range(2):
                if not self._waiting:
                    break
                if self._was_moved():
                    former, self._file = self._file, self._open()
                    os.close(former)
                self._write()
        except OSError as error:
            raise self._fault("cannot be written", error) from error

    def close(self) -> None:
        """Write what waits, and close the file."""
        try:
            self.flush()
        finally:
            os.close(self._file)

    def _open(self) -> int:
        if not self._is_plain:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY
            return os.open(self._path, flags)
        return files.open_own(self._path, os.O_WRONLY | os.O_APPEND)

    def _write(self) -> None:
        lines = bytes(self._waiting)
        while self._waiting:
            del self._waiting[: os.write(self._file, self._waiting)]
        if not os.fstat(self._file).st_nlink and self._was_moved():
            # Removed between the check and the write: the lines are gone with it, so write again.
            self._waiting += lines

    def _was_moved(self) -> bool:
        """Whether the path does not lead to the open file any more.

        The path of a stream is never followed: it leads to the open file even if that was removed.
        """
        if not self._is_plain:
            return False
        ours = os.fstat(self._file)
        if not stat.S_ISREG(ours.st_mode):
            return False
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return True
        return (found.st_dev, found.st_ino) != (ours.st_dev, ours.st_ino)

    def _fault(self, what: str, error: OSError) -> LogError:
        return LogError(
            f"{self._path}: the log {what} ({error.strerror}); fleetpatch sends nothing without a "
            "log: free space on the disk or name another file with --log-file, then resume the run"
        )


def _is_plain(path: Path) -> bool:
    """Whether a path that a person named is to be a file: not a device, a pipe or a stream."""
    folder = os.path.realpath(path.parent)
    if folder == _SYSTEM_FOLDERS[0] or folder.startswith(f"{_SYSTEM_FOLDERS[1]}/"):
        return False
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return True  # missing, or a dangling link, which is refused when it is opened


def _ends_torn(descriptor: int, path: Path) -> bool:
    """Whether a crash or a full disk left the file with half a line at its end."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or not found.st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"
