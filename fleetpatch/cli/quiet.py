"""`--quiet`: drops all that a verb writes to stderr, except the error with which it ends."""

import io
import sys
from contextlib import AbstractContextManager, nullcontext, redirect_stderr
from typing import TextIO


class _Nowhere(io.TextIOBase):
    """A stream that drops what is written; `replaced` is the one in whose place it is."""

    def __init__(self, replaced: TextIO) -> None:
        super().__init__()
        self.replaced = replaced

    def write(self, text: str) -> int:
        return len(text)


def muted(*, quiet: bool) -> AbstractContextManager[object]:
    """Drop notes, warnings and progress while the block runs, if `quiet`."""
    return redirect_stderr(_Nowhere(sys.stderr)) if quiet else nullcontext()


def unmuted() -> TextIO:
    """Return stderr, as it is without `--quiet`: for a result that cannot go to stdout."""
    return sys.stderr.replaced if isinstance(sys.stderr, _Nowhere) else sys.stderr


def is_quiet() -> bool:
    """Return whether a question on stderr would not be shown."""
    return isinstance(sys.stderr, _Nowhere)
