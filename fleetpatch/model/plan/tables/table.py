"""A table: rows of equal columns, found by the text in their key column."""

import math
from array import array
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from fleetpatch.model.fields import Json, is_deeper
from fleetpatch.model.names import show
from fleetpatch.model.plan.problems import Place, Problem

MAX_PROBLEMS: Final = 20
"""Problems of one table that are reported; a wrong separator makes each row a problem."""

MAX_COLUMNS: Final = 1000

_ALWAYS_FIT: Final = frozenset({bool, type(None)})
_NUL: Final = "contains the character U+0000, at which an expression would cut the text; remove it"
_INT64: Final = 2**63
_MAX_DEPTH: Final = 50
"""How deep a cell's lists and mappings may be nested, as in a plan file."""


class Table(msgspec.Struct, frozen=True):
    """Rows by their key. Each row has one value for each of `columns`, the key column included."""

    key: str
    columns: tuple[str, ...]
    rows: Mapping[str, tuple[Json, ...]]

    def __repr__(self) -> str:
        return f"Table(key={self.key!r}, columns={self.columns!r}, {len(self.rows)} rows)"

    def row(self, key: str) -> dict[str, Json] | None:
        """Return the row with this key by its columns, or None."""
        values = self.rows.get(key)
        return None if values is None else dict(zip(self.columns, values, strict=True))


class Rows:
    """Collects the rows of a file, and the problems in it.

    `problems` has at most MAX_PROBLEMS entries, and `unlisted` counts the others.
    """

    def __init__(self, file: str, key: str) -> None:
        self._file = file
        self._key = key
        self._columns: tuple[str, ...] = ()
        self._position = -1
        self._rows: dict[str, tuple[Json, ...]] = {}
        # The line of each row, in the order of `_rows`: a dict of them would take several times
        # the memory, and only a repeated key needs one.
        self._lines = array("Q")
        self.problems: list[Problem] = []
        self.unlisted = 0

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns; empty before `begin`."""
        return self._columns

    def begin(self, columns: Sequence[str], place: Place) -> bool:
        """Set the columns; return whether rows can be added."""
        self._columns = tuple(columns)
        before = len(self.problems)
        for name in dict.fromkeys(columns):
            if not name:
                self.report(place, "a column has no name; add one, or remove the column")
            elif name.strip() != name:
                self.report(place, f"the column {show(name)} has blanks around it; remove them")
            elif "\0" in name:
                self.report(place, f"the column {show(name)} {_NUL}")
            elif columns.count(name) > 1:
                self.report(place, f"the column {show(name)} is repeated; remove one")
        if len(columns) > MAX_COLUMNS:
            self.report(place, f"there are more than {MAX_COLUMNS} columns; leave some out")
        if len(self.problems) == before and self._key not in columns:
            self.report(place, self._no_key_column())
        self._position = columns.index(self._key) if self._key in columns else -1
        return len(self.problems) == before

    def add(self, values: Sequence[Json], place: Place) -> None:
        """Add a row with a value for each column."""
        key = values[self._position]
        if what := _problem_of_key(key):
            self.report(place, f"{self._key}: {what}")
        elif key in self._rows:
            # Looking its line up reads all rows, so that is done only for what is reported.
            listed = len(self.problems) < MAX_PROBLEMS
            first = self._lines[list(self._rows).index(key)] if listed else 0
            self.report(
                place, f"the key {show(key)} is repeated, first in line {first}; remove one row"
            )
        else:
            for column, value in zip(self._columns, values, strict=True):
                if type(value) not in _ALWAYS_FIT and (what := _problem_of_value(value)):
                    self.report(place, f"{column}: {what}")
            self._rows[key] = tuple(values)
            self._lines.append(place.line)

    def report(self, place: Place, what: str) -> None:
        """Add a problem."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(self._file, what, place))
        else:
            self.unlisted += 1

    def table(self) -> Table:
        """Return the table of all rows."""
        return Table(self._key, self._columns, self._rows)

    @property
    def is_empty(self) -> bool:
        """Whether no row was added."""
        return not self._rows

    def _no_key_column(self) -> str:
        names = ", ".join(map(show, self._columns[:10]))
        what = f"there is no column {show(self._key)}, by which the plan finds rows"
        if len(self._columns) == 1:
            for name, sign in (("semicolons", ";"), ("tabs", "\t")):
                if sign in self._columns[0]:
                    return f"{what}; the columns are separated by {name}, so save it with commas"
        return f"{what}; the columns are {names}"


def _problem_of_key(key: Json) -> str:
    if not isinstance(key, str):
        return f"the key must be text, and {show(str(key))} is not; put it in quotes"
    if not key:
        return "the key is empty; add one, or remove the row"
    if key.strip() != key:
        return f"the key {show(key)} has blanks around it; remove them"
    return ""


def _problem_of_value(value: Json) -> str:
    if isinstance(value, str):
        return _NUL if "\0" in value else ""
    if isinstance(value, int):
        fits = -_INT64 <= value < _INT64
        return "" if fits else "the number does not fit 64 bits; put it in quotes"
    if isinstance(value, float):
        return "" if math.isfinite(value) else "the number is too large; put it in quotes"
    if is_deeper(value, _MAX_DEPTH):
        return f"lists and mappings are nested more than {_MAX_DEPTH} deep; flatten them"
    parts = [*value, *value.values()] if isinstance(value, dict) else value or ()
    return next((what for part in parts if (what := _problem_of_value(part))), "")
