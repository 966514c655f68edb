r"""stdin, stdout and stderr: a run must not fail because of what they are connected to.

A stream may be closed from the start (`>&-`), be a pipe whose reader has exited (`| head`), a
terminal that is gone, or a file on a full disk, and its encoding may lack a character (GBK, ascii).
Output to stderr is dropped then. A result that cannot be written to stdout is an error, but
it does not change the run. A character that the encoding lacks is written as a JSON escape
(`\ud83d\ude00`), so that JSON stays valid.
"""

import codecs
import io
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

_STDIN: Final = 0
_STDOUT: Final = 1
_STDERR: Final = 2

ESCAPE: Final = "fleetpatch.escape"
_BEYOND_BMP: Final = 0x10000


class ResultError(OSError):
    """stdout cannot be written, and not because its reader has exited."""


def make_safe() -> None:
    """Open closed streams, let stderr drop what cannot be written, and make encodings total.

    Otherwise the next file to be opened, perhaps the run file, would get the number of a closed
    stream, and messages would be written into it.
    """
    make_encodings_total()
    for number in (_STDIN, _STDOUT, _STDERR):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    if sys.stdin is None:
        sys.stdin = os.fdopen(_STDIN, closefd=False)
    elif sys.stdin is sys.__stdin__ and isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    if sys.stdout is None or sys.stdout is sys.__stdout__:
        result = _Result(_STDOUT, "w", closefd=False)
        sys.stdout = _text(io.BufferedWriter(result), sys.stdout)  # type: ignore[arg-type] # it is one
    if sys.stderr is None or sys.stderr is sys.__stderr__:
        sys.stderr = _text(_Forgiving(_STDERR, "w", closefd=False), sys.stderr)


def make_encodings_total() -> None:
    """Register the error handler ESCAPE, with which every encoding can write every text."""
    codecs.register_error(ESCAPE, _escape)


def _text(file: "io.BufferedWriter | _Forgiving", replaced: object) -> io.TextIOWrapper:
    """Return a text stream to `file`, in the encoding of the stream that it replaces."""
    return io.TextIOWrapper(
        file,
        encoding=getattr(replaced, "encoding", None),
        errors=ESCAPE,
        line_buffering=file.isatty(),
        write_through=isinstance(file, _Forgiving),
    )


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


def complain(text: str) -> None:
    """Write a line to stderr; safe in a signal handler, which may have interrupted another write.

    So it bypasses the buffer of the real stderr, which refuses to be entered twice.
    """
    stream = sys.stderr
    if stream is not None and stream is not sys.__stderr__:
        stream.write(f"{text}\n")
        return
    with suppress(OSError):
        os.write(_STDERR, f"{text}\n".encode("utf-8", "backslashreplace"))


def complain_at_once(text: str) -> None:
    """Write a line to stderr if that takes no wait; otherwise the line is lost.

    For a process that exits: a full pipe or a stopped terminal must not prevent that.
    """
    poll = select.poll()
    poll.register(_STDERR, select.POLLOUT)
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    line = f"{text}\n".encode(encoding, "backslashreplace")
    with suppress(OSError):
        if any(event & select.POLLOUT for _, event in poll.poll(0)):
            os.write(_STDERR, line[: select.PIPE_BUF])


@contextmanager
def until_reader_is_gone() -> Iterator[None]:
    """Let the block write to stdout; where its reader has exited, drop the rest."""
    try:
        yield
    except BrokenPipeError:
        hang_up()


def flush() -> None:
    """Flush stdout while an error can still be reported. Raises ResultError."""
    with until_reader_is_gone():
        sys.stdout.flush()


def hang_up() -> None:
    """Discard what is buffered for stdout: its flush at exit would fail again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDOUT)
    os.close(nowhere)


class _Forgiving(io.FileIO):
    """A file that drops what cannot be written."""

    def write(self, data: "bytes | bytearray | memoryview") -> int:  # type: ignore[override] # any buffer
        """Write what can be written."""
        with suppress(OSError):
            super().write(data)
        return len(data)


class _Result(io.FileIO):
    """A file whose errors differ from those of all other files."""

    def write(self, data: "bytes | bytearray | memoryview") -> int | None:  # type: ignore[override] # any buffer
        """Write some of `data`. Raises BrokenPipeError and ResultError."""
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise ResultError(error.errno, error.strerror) from error
