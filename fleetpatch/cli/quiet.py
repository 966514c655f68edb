"""`--quiet`: drops all that a verb writes to stderr, except the error with which it ends."""

import io
import sys
from contextlib import redirect_stderr

import typer


class _Nowhere(io.TextIOBase):
    """A stream that drops what is written."""

    def write(self, text: str) -> int:
        return len(text)


def keep_quiet(context: typer.Context, quiet: bool) -> bool:
    """Drop notes, warnings and progress until the verb ends, if `quiet`; the option's callback."""
    if quiet and not context.resilient_parsing:
        context.with_resource(redirect_stderr(_Nowhere()))
    return quiet


def is_quiet() -> bool:
    """Return whether nobody can see a question on stderr."""
    return isinstance(sys.stderr, _Nowhere)
