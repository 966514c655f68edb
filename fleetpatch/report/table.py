"""A table of plain text: columns as wide as needed, two blanks apart, numbers right-aligned.

Cells are cleaned here, since names and values come from servers.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from fleetpatch.model.text import clean
from fleetpatch.report.wording import number

CHUNK = 500
"""Rows that are aligned together, as in kubectl, so that memory holds one chunk of a list."""

TableRow = Sequence[str | int]


def table(header: Sequence[str], rows: Iterable[TableRow], *, indent: str = "") -> Iterator[str]:
    """Yield the header and the rows, line by line. Columns of ints are right-aligned."""
    remaining = iter(rows)
    shown: list[Sequence[str]] = [header]
    while chunk := list(islice(remaining, CHUNK)):
        shown += [[_cell(value) for value in row] for row in chunk]
        are_numbers = [isinstance(value, int) for value in chunk[0]]
        widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
        for cells in shown:
            columns = zip(cells, widths, are_numbers, strict=True)
            line = "  ".join(
                cell.rjust(w) if right else cell.ljust(w) for cell, w, right in columns
            )
            yield f"{indent}{line}".rstrip()
        shown = []
    # Without a row the header has not been printed yet.
    if shown:
        yield f"{indent}{'  '.join(header)}"


def _cell(value: str | int) -> str:
    return number(value) if isinstance(value, int) else clean(value)
