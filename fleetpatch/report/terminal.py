"""Writes lines to a stream: coloured on a terminal, plain everywhere else; the text is the same."""

import shutil
from collections.abc import Iterable
from typing import TextIO

from fleetpatch.model.text import visible
from fleetpatch.report.fitting import fit


def width_of(stream: TextIO) -> int | None:
    """Return the columns of a terminal; None if `stream` is not a terminal."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def write(lines: Iterable[str], stream: TextIO) -> None:
    """Write lines as they come, each with a newline; on a terminal they are fitted to its width.

    Control characters are replaced first: a run file is untrusted input, and an escape sequence
    could change what a terminal shows.
    """
    if not stream.isatty():
        write_data(lines, stream)
        return
    # Deferred: rich loads in 30 ms, and only a terminal needs it.
    from fleetpatch.report.colours import write_coloured  # noqa: PLC0415 - see above

    write_coloured(fit(lines, columns()), stream)


def write_data(lines: Iterable[str], stream: TextIO) -> None:
    """Write lines for programs: as `write`, but a terminal neither folds nor colours them."""
    stream.writelines(f"{visible(line)}\n" for line in lines)


def columns() -> int:
    """Return the width of the terminal; `$COLUMNS` takes precedence."""
    return shutil.get_terminal_size().columns
