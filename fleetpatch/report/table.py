"""A table of plain text: columns as wide as needed, two blanks apart, numbers right-aligned.

Cells are cleaned here, since names and values come from servers. A line of a table can be shown in
less room than it needs (`TableLine.fitted`): then some columns are left out, and the widest columns
of text are cut; numbers stay whole.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, Self

from fleetpatch.model.text import clean
from fleetpatch.report.wording import number

CHUNK = 500
"""Rows that are aligned together, as in kubectl, so that memory holds one chunk of a list."""

TableRow = Sequence[str | int]

_GAP: Final = "  "
_READABLE: Final = 18
"""Characters of a column of text for which other columns are left out."""
_NARROWEST: Final = 8
"""Characters of a column of text that are left at least."""
CUT: Final = "…"
"""Stands for what was cut out."""


class _Layout:
    """The widths of the columns of some rows."""

    def __init__(
        self,
        rows: Sequence[Sequence[str]],
        are_numbers: Sequence[bool],
        first_to_go: Sequence[int] = (),
    ) -> None:
        self._widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        self._are_numbers, self._first_to_go = are_numbers, first_to_go
        self._fitted: dict[int, dict[int, int]] = {}

    def line(self, cells: Sequence[str], room: int | None = None) -> str:
        """Return the cells as a line of at most `room` characters."""
        widths = dict(enumerate(self._widths)) if room is None else self._narrowed(room)
        padded = (
            cells[i].rjust(width) if self._are_numbers[i] else shorten(cells[i], width).ljust(width)
            for i, width in widths.items()
        )
        line = _GAP.join(padded).rstrip()
        return line if room is None else shorten(line, max(room, 1))

    def _narrowed(self, room: int) -> dict[int, int]:
        """Return the widths of the columns that are shown in this room."""
        if room not in self._fitted:
            widths = dict(enumerate(self._widths))
            for column in self._first_to_go:
                if self._sum(widths, _READABLE) > room:
                    del widths[column]
            texts = [i for i in widths if not self._are_numbers[i]]
            while self._sum(widths) > room:
                widest = max(texts, key=lambda i: widths[i], default=None)
                if widest is None or widths[widest] <= _NARROWEST:
                    break
                widths[widest] -= 1
            self._fitted[room] = widths
        return self._fitted[room]

    def _sum(self, widths: Mapping[int, int], longest_text: int | None = None) -> int:
        """Return the length of a line, with columns of text of a length at most."""
        gaps = len(_GAP) * (len(widths) - 1)
        if longest_text is None:
            return sum(widths.values()) + gaps
        return gaps + sum(
            width if self._are_numbers[i] else min(width, longest_text)
            for i, width in widths.items()
        )


class TableLine(str):
    """A line of a table."""

    __slots__ = ("_cells", "_indent", "_layout")

    _cells: Sequence[str]
    _layout: _Layout
    _indent: str

    @classmethod
    def of(cls, cells: Sequence[str], layout: _Layout, indent: str) -> Self:
        """Return the line of these cells."""
        line = cls(f"{indent}{layout.line(cells)}".rstrip())
        line._cells, line._layout, line._indent = cells, layout, indent
        return line

    def fitted(self, room: int) -> str:
        """Return the line in at most `room` characters."""
        # All lines of the table are cut alike, also those that would fit.
        return f"{self._indent}{self._layout.line(self._cells, room - len(self._indent))}".rstrip()


def shorten(text: str, width: int) -> str:
    """Cut a text to a width: a sentence at its end, a name in its middle, whose ends tell most."""
    if len(text) <= width:
        return text
    if " " in text or width < _NARROWEST:
        return text[: width - 1] + CUT
    tail = (width - 1) // 2
    return text[: width - 1 - tail] + CUT + text[-tail:]


def table(
    header: Sequence[str],
    rows: Iterable[TableRow],
    *,
    indent: str = "",
    first_to_go: Sequence[str] = (),
) -> Iterator[str]:
    """Yield the header and the rows, line by line. Columns of ints are right-aligned.

    `first_to_go` are columns that are left out where there is little room, the first one first.
    """
    droppable = [header.index(column) for column in first_to_go]
    remaining = iter(rows)
    shown: list[Sequence[str]] = [header]
    while chunk := list(islice(remaining, CHUNK)):
        shown += [[_cell(value) for value in row] for row in chunk]
        layout = _Layout(shown, [isinstance(value, int) for value in chunk[0]], droppable)
        for cells in shown:
            yield TableLine.of(cells, layout, indent)
        shown = []
    # Without a row the header has not been printed yet.
    if shown:
        yield TableLine.of(header, _Layout(shown, [False] * len(header)), indent)


def _cell(value: str | int) -> str:
    return number(value) if isinstance(value, int) else clean(value)
