r"""stdin, stdout and stderr, whatever they lead to: a run must not depend on its listeners.

A stream may be closed from the start (`>&-`), lead to a pipe that nobody reads any more (`| head`),
to a terminal that is gone, or to a full disk, and its encoding may lack a character (GBK, latin-1,
ascii). What is said on stderr is lost then, and no more. A result that cannot be put on stdout is
an error, but never one of the run that it tells of. A character that the encoding lacks is written
as JSON writes it (`\ud83d\ude00`), so that JSON stays JSON.
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
    """stdout cannot be written, for another reason than that its reader is gone."""


def make_safe() -> None:
    """Open what is closed, let stderr drop what cannot be written, and make encodings total.

    The next file to be opened would take the number of a closed stream, the run file perhaps, and
    what is meant for people would be written into it.
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
    """Make the error handler ESCAPE known, with which every encoding can write every text."""
    codecs.register_error(ESCAPE, _escape)


def _text(file: "io.BufferedWriter | _Forgiving", replaced: object) -> io.TextIOWrapper:
    """Text onto `file`, in the encoding of the stream that it replaces."""
    return io.TextIOWrapper(
        file,
        encoding=getattr(replaced, "encoding", None),
        errors=ESCAPE,
        line_buffering=file.isatty(),
        write_through=isinstance(file, _Forgiving),
    )


def _escape(error: UnicodeError) -> tuple[str, int]:
    """Write what an encoding lacks in JSON's escapes; an error handler of `codecs`."""
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
    """Write a line to stderr, from wherever it is: a signal handler may have cut another write."""
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
    """Let the block write to stdout; where its reader is gone, the rest is left unsaid."""
    try:
        yield
    except BrokenPipeError:
        hang_up()


def flush() -> None:
    """Write what waits for stdout, while an error can still be told. Raises ResultError."""
    with until_reader_is_gone():
        sys.stdout.flush()


def hang_up() -> None:
    """Send what is left for stdout nowhere: flushed at the end, it would fail once more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDOUT)
    os.close(nowhere)


class _Forgiving(io.FileIO):
    """A file that takes everything."""

    def write(self, data: "bytes | bytearray | memoryview") -> int:  # type: ignore[override] # any buffer
        """Write what can be written."""
        with suppress(OSError):
            super().write(data)
        return len(data)


class _Result(io.FileIO):
    """A file whose errors are told from those of all other files."""

    def write(self, data: "bytes | bytearray | memoryview") -> int | None:  # type: ignore[override] # any buffer
        """Write some of `data`. Raises BrokenPipeError and ResultError."""
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise ResultError(error.errno, error.strerror) from error
