"""The file of a log: opened safely, written in whole lines, and opened again when it was rotated.

At its default path the log is a file of ours (`fleetpatch.files`). The path that a person names may
also be a device, a pipe, a terminal or `/dev/stdout`: those are opened as they are. `-` is stdout.

Before each write it is checked whether the file was renamed or removed (logrotate, mv, rm). Then
the path is opened again, so that new lines are in the file that readers of the path see. The check
costs two `fstat` and one `stat`; lines are written in groups, at most 20 times a second. A file
that was truncated in place (`copytruncate`) is appended to.

With a largest size a file that would become larger is renamed first (`fleetpatch.report.rotation`).
A line is never divided between two files, even if a full disk has interrupted its write.
"""

import os
import stat
from pathlib import Path
from typing import Final

from fleetpatch import files
from fleetpatch.errors import LogError
from fleetpatch.files import is_stdout
from fleetpatch.report import rotation

_STDOUT: Final = 1
FLUSH_SIZE: Final = 64 * 1024
"""Bytes of the buffer, at most, unless one line is larger. Such a write costs little for a line."""

_SYSTEM_FOLDERS: Final = ("/dev", "/proc")
"""Folders whose links the system makes, so they may be followed: `/dev/stdout`, `/dev/fd/3`."""

_START_OF_LINE: Final = b'{"timestamp":"'
"""The start of every line of a log (`fleetpatch.report.logs`)."""


class LogFile:
    """An append-only file. Lines that could not be written stay in the buffer.

    The default path is one that no person has chosen. `max_size` is in bytes: the file is rotated
    before it becomes larger. It has no effect on a device, a pipe or a stream. The constructor and
    all methods raise LogError.
    """

    def __init__(
        self, path: Path, *, is_default_path: bool = False, max_size: int | None = None
    ) -> None:
        self._path = path
        self._is_stdout = is_stdout(path) and not is_default_path
        self._is_plain = is_default_path or (not self._is_stdout and _is_plain(path))
        self._max_size = max_size if self._is_plain else None
        self._waiting = bytearray()
        # Whether the file ends with the first part of the line that the buffer begins with.
        self._divided = False
        try:
            self._file = self._open()
            if self._max_size is not None:
                rotation.require_possible(path)
            # Half a line would make the line that is appended to it unreadable, too.
            if not self._is_stdout and _ends_torn(self._file, path):
                self._waiting += b"\n"
        except OSError as error:
            raise self._fault("cannot be opened", error) from error

    def write(self, lines: bytes) -> None:
        """Buffer lines, which include their line ends; flush a buffer that has no room for them."""
        parts = [lines] if len(lines) <= FLUSH_SIZE else lines.splitlines(keepends=True)
        for number, part in enumerate(parts):
            try:
                if self._waiting and len(self._waiting) + len(part) > FLUSH_SIZE:
                    self.flush()
            except LogError:
                self._waiting += b"".join(parts[number:])
                raise
            self._waiting += part

    def flush(self) -> None:
        """Write all lines to the operating system."""
        try:
            if self._divided:
                self._write(self._waiting.index(b"\n") + 1)
            # At most twice: a file that is removed at each write must not block the event loop.
            for _ in range(2):
                if not self._waiting:
                    break
                if self._was_moved() or self._was_rotated():
                    former, self._file = self._file, self._open()
                    os.close(former)
                self._write_lines()
        except OSError as error:
            raise self._fault("cannot be written", error) from error

    def close(self) -> None:
        """Write the buffer, and close the file."""
        try:
            self.flush()
        finally:
            os.close(self._file)

    def _open(self) -> int:
        if self._is_stdout:
            # Not /dev/stdout, which cannot be opened if it is a socket, as it is for systemd.
            return os.dup(_STDOUT)
        # A device or pipe: not created, and a terminal does not become our controlling one.
        if not self._is_plain:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY
            return os.open(self._path, flags)
        return files.open_own(self._path, os.O_WRONLY | os.O_APPEND)

    def _write_lines(self) -> None:
        lines = bytes(self._waiting)
        self._write(len(lines))
        if not os.fstat(self._file).st_nlink and self._was_moved():
            # Removed between the check and the write, with the lines: write them again.
            self._waiting += lines

    def _write(self, size: int) -> None:
        """Write the first bytes of the buffer; after an error those that are left stay in it."""
        end = len(self._waiting) - size
        while len(self._waiting) > end:
            written = os.write(self._file, self._waiting[: len(self._waiting) - end])
            self._divided = not self._waiting.endswith(b"\n", 0, written)
            del self._waiting[:written]

    def _was_rotated(self) -> bool:
        """Rotate a file that would become too large; return whether it was rotated."""
        if self._max_size is None:
            return False
        size = os.fstat(self._file).st_size
        if not size or size + len(self._waiting) <= self._max_size:
            return False
        return rotation.rotate(self._path, self._file)

    def _was_moved(self) -> bool:
        """Return whether another file, or none, is at the path now."""
        # A path like /dev/stdout leads to the open file, even if that was removed.
        if not self._is_plain:
            return False
        opened = os.fstat(self._file)
        if not stat.S_ISREG(opened.st_mode):
            return False
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return True
        return (found.st_dev, found.st_ino) != (opened.st_dev, opened.st_ino)

    def _fault(self, what: str, error: OSError) -> LogError:
        place = "stdout" if self._is_stdout else self._path
        return LogError(
            f"{place}: the log {what} ({error.strerror}); fleetpatch sends nothing without a "
            "log: free space on the disk or name another file with --log-file"
        )


def is_other_file(path: Path) -> bool:
    """Whether a path that a person named leads to something else than a log: a plan, a folder.

    False for a device, a pipe and a stream, and where opening it says what is wrong, as of a link.
    """
    if files.is_folder(path):
        return True
    try:
        if is_stdout(path) or not _is_plain(path):
            return False
        files.refuse_foreign(path)
        return files.has_other_content(path, _is_log)
    except (OSError, ValueError):
        return False


def _is_log(start: bytes) -> bool:
    """Whether a file that begins like this has lines of JSON objects, also if the first was cut.

    A crash leaves the start of a line, or only a line end; people cut the start of a file off.
    Another program's lines may be in it as well, but no plan in one line.
    """
    lines = [line for line in start.split(b"\n") if line]
    if any(line.startswith(_START_OF_LINE) for line in lines[:2]):
        return True
    if all(_START_OF_LINE.startswith(line) for line in lines):
        return True
    return lines[0].startswith(b'{"') and b'"apiVersion"' not in lines[0]


def _is_plain(path: Path) -> bool:
    """Return whether a path that a person named is a plain file: no device, pipe or stream."""
    folder = os.path.realpath(path.parent)
    if folder == _SYSTEM_FOLDERS[0] or folder.startswith(f"{_SYSTEM_FOLDERS[1]}/"):
        return False
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return True  # missing, or a dangling link, which is refused when it is opened


def _ends_torn(descriptor: int, path: Path) -> bool:
    """Return whether the file ends with half a line, after a crash or on a full disk."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or not found.st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"
