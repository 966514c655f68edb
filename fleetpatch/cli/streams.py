r"""Makes stdin, stdout and stderr safe: a run must not fail because of what they lead to.

A stream may be closed from the start (`>&-`), be a pipe whose reader has exited (`| head`), a
terminal that is gone, or a file on a full disk, and its encoding may lack a character (GBK, ascii).
Output to stderr is dropped then, and so is the rest of a result whose reader has exited: it has
what it wanted, so the exit code is the same as with a reader of everything. Any other result that
cannot be written to stdout is an error, which does not change the run. A character that the
encoding lacks is written as a JSON escape (`\ud83d\ude00`), so that JSON stays valid.
"""

import codecs
import io
import os
import select
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

_STDIN: Final = 0
_STDOUT: Final = 1
_STDERR: Final = 2

ESCAPE: Final = "fleetpatch.escape"
_BEYOND_BMP: Final = 0x10000

_WRITABLE_WITHIN_MS: Final = 100

_SHOW_CURSOR: Final = "\x1b[?25h\n"
"""Shows the cursor again (DECTCEM), and ends the line of the progress, which stays."""

_WITHOUT_CURSOR: Final = frozenset({"dumb", "unknown"})
"""Values of TERM for which rich writes no control sequences."""


class ResultError(OSError):
    """stdout cannot be written, and not because its reader has exited.

    `state` says how far the run got whose result is lost; empty if no run was carried out.
    """

    state: str = ""


def replace_standard() -> None:
    """Replace the standard streams by safe ones, and open those that are closed.

    Without that, the next file to be opened, perhaps the run file, would get the descriptor of a
    closed stream, and messages would be written into it.
    """
    make_encodings_total()
    for number in (_STDIN, _STDOUT, _STDERR):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free descriptor, which is this one
    if sys.stdin is None:
        sys.stdin = os.fdopen(_STDIN, closefd=False)
    elif sys.stdin is sys.__stdin__ and isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    if sys.stdout is None or sys.stdout is sys.__stdout__:
        sys.stdout = _ResultStream(_ResultFile(_STDOUT, "w", closefd=False), sys.stdout)
    if sys.stderr is None or sys.stderr is sys.__stderr__:
        sys.stderr = _LossyStream(_LossyFile(_STDERR, "w", closefd=False), sys.stderr)


def make_encodings_total() -> None:
    """Register the error handler ESCAPE, with which every encoding can write every text."""
    codecs.register_error(ESCAPE, _escape)


def _escape(error: UnicodeError) -> tuple[str, int]:
    """Write characters that an encoding lacks as JSON escapes; an error handler of `codecs`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    escaped = ""
    for character in error.object[error.start : error.end]:
        number = ord(character)
        if number >= _BEYOND_BMP:
            high, low = divmod(number - _BEYOND_BMP, 0x400)
            escaped += f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
        else:
            escaped += f"\\u{number:04x}"
    return escaped, error.end


def write_stderr(text: str) -> None:
    """Write a line to stderr; safe in a signal handler that interrupted another write."""
    # The buffer of the real stderr raises if it is entered twice, so it is bypassed.
    stream = sys.stderr
    if stream is not None and stream is not sys.__stderr__:
        stream.write(f"{text}\n")
        return
    with suppress(OSError):
        os.write(_STDERR, f"{text}\n".encode("utf-8", "backslashreplace"))


def write_stderr_briefly(text: str, *, show_cursor: bool = False) -> None:
    """Write a line to stderr if that is possible within a tenth of a second; otherwise drop it.

    For a process that exits: a full pipe or a stopped terminal must not delay that. With
    `show_cursor` a terminal shows its cursor again, and the text begins on a line of its own.
    """
    poll = select.poll()
    poll.register(_STDERR, select.POLLOUT)
    # Not through sys.stderr, whose write could block.
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    before = _SHOW_CURSOR if show_cursor and _moves_its_cursor() else ""
    line = f"{before}{text}\n".encode(encoding, "backslashreplace")
    with suppress(OSError):
        # A terminal is not writable for the moment in which another thread writes to it.
        if any(event & select.POLLOUT for _, event in poll.poll(_WRITABLE_WITHIN_MS)):
            # A writable pipe has room for PIPE_BUF bytes; more could block.
            os.write(_STDERR, line[: select.PIPE_BUF])


def _moves_its_cursor() -> bool:
    """Return whether stderr is a terminal on which the progress hides the cursor."""
    return os.isatty(_STDERR) and os.environ.get("TERM", "").lower() not in _WITHOUT_CURSOR


def write_line(text: str) -> None:
    """Write a line to stdout at once. Raises ResultError."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def reader_has_exited() -> bool:
    """Return whether a write to stdout has shown that its reader has exited."""
    return isinstance(sys.stdout, _ResultStream) and sys.stdout.reader_has_exited


def discard_stdout() -> None:
    """Lead stdout to /dev/null: the flush of its buffer at exit would fail again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDOUT)
    os.close(nowhere)


class _LossyStream(io.TextIOWrapper):
    """stderr, in the encoding of the stream that it replaces.

    It is not buffered: a message must be out before the process may be killed.
    """

    def __init__(self, file: "_LossyFile", replaced: object) -> None:
        super().__init__(
            file,
            encoding=getattr(replaced, "encoding", None),
            errors=ESCAPE,
            line_buffering=file.isatty(),
            write_through=True,
        )


class _LossyFile(io.FileIO):
    """A file that drops what cannot be written."""

    def write(self, data: "bytes | bytearray | memoryview") -> int:  # type: ignore[override] # any buffer
        """Write what can be written."""
        with suppress(OSError):
            super().write(data)
        # All of it counts as written, so that no caller repeats it.
        return len(data)


class _ResultStream(io.TextIOWrapper):
    """stdout, in the encoding of the stream that it replaces."""

    def __init__(self, file: "_ResultFile", replaced: object) -> None:
        super().__init__(
            io.BufferedWriter(file),  # type: ignore[type-var] # it is one
            encoding=getattr(replaced, "encoding", None),
            errors=ESCAPE,
            line_buffering=file.isatty(),
        )
        self._file = file

    @property
    def reader_has_exited(self) -> bool:
        """Whether a write has shown that the reader has exited."""
        return self._file.reader_has_exited

    def writelines(self, lines: Iterable[str], /) -> None:  # type: ignore[override] # text lines
        """Write lines as they come, until the reader has exited: a list may be long."""
        for line in lines:
            if self.reader_has_exited:
                return
            self.write(line)


class _ResultFile(io.FileIO):
    """stdout, whose errors are ResultError so that they differ from those of other files."""

    reader_has_exited = False

    def write(self, data: "bytes | bytearray | memoryview") -> int | None:  # type: ignore[override] # any buffer
        """Write some of `data`; all of it is dropped if the reader has exited. Raises ResultError.

        No exception tells of the reader, so that a verb ends as it would otherwise.
        """
        try:
            return super().write(data)
        except BrokenPipeError:
            self.reader_has_exited = True
            discard_stdout()
            return len(data)
        except OSError as error:
            raise ResultError(error.errno, error.strerror) from error
