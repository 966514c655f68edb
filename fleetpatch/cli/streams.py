"""stdin, stdout and stderr, whatever they lead to: a run must not depend on its listeners.

A stream may be closed from the start (`>&-`), lead to a pipe that nobody reads any more (`| head`),
to a terminal that is gone, or to a full disk. What is said on stderr is lost then, and no more. A
result that cannot be put on stdout is an error, but never one of the run that it tells of.
"""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_STDOUT = 1
_STDERR = 2


def make_safe() -> None:
    """Open what is closed, and let stderr swallow what cannot be written.

    The next file to be opened would take the number of a closed stream, the run file perhaps, and
    what is meant for people would be written into it.
    """
    for number in (0, _STDOUT, _STDERR):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    if sys.stdout is None:
        sys.stdout = os.fdopen(_STDOUT, "w", closefd=False)
    if sys.stderr is None or sys.stderr is sys.__stderr__:
        sys.stderr = io.TextIOWrapper(
            _Forgiving(_STDERR, "w", closefd=False),
            encoding=getattr(sys.stderr, "encoding", None),
            errors="backslashreplace",
            write_through=True,
        )


@contextmanager
def unless_nobody_listens() -> Iterator[None]:
    """Let the block write to stdout; where its reader is gone, the rest is left unsaid."""
    try:
        yield
    except BrokenPipeError:
        hang_up()


def flush() -> None:
    """Write what waits for stdout, while an error can still be told. Raises OSError."""
    with unless_nobody_listens():
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
