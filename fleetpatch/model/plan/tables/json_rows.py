"""Rows of a json file: a list of objects with the same keys, which are the columns."""

import json
import re
from typing import Any, Final

from fleetpatch.model.names import show
from fleetpatch.model.plan.checks.values import check_encodable
from fleetpatch.model.plan.problems import Place
from fleetpatch.model.plan.tables.table import Rows

_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
"""Escapes of which a lone one is half of a character."""
_BLANKS: Final = re.compile(r"[ \t\n\r]*")
_NO_LIST: Final = 'a table is a list of rows: [{"team": "etl", "centre": "4711"}, ...]'


class _NotJsonError(ValueError):
    """A value that Python reads and JSON, or CEL, does not have."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _NotJsonError(f"the key {show(name)} is repeated in this row; remove one")
            seen.add(name)
    return read


def _constant(name: str) -> float:
    raise _NotJsonError(f"{name} is not valid in JSON; put it in quotes, or write null")


# Without hooks for numbers, which would double the time: `Rows` checks their range.
_decoder: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)


class _Cursor:
    """A position in a text that only moves forward, and knows its line and column."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.index = 0
        self._line = 1
        self._counted = 0
        self.has_surrogates = _SURROGATE.search(text) is not None

    def skip_blanks(self) -> str:
        """Move to the next character that is not blank, and return it; '' at the end."""
        found = _BLANKS.match(self.text, self.index)
        self.index = found.end() if found else self.index
        return self.text[self.index : self.index + 1]

    def place(self) -> Place:
        self._line += self.text.count("\n", self._counted, self.index)
        self._counted = self.index
        return Place(self._line, self.index - self.text.rfind("\n", 0, self.index))


def read_json(text: str, rows: Rows) -> None:
    """Add the rows of `text` to `rows`. They are read one by one, so that each has its place."""
    cursor = _Cursor(text)
    if cursor.skip_blanks() != "[":
        rows.report(cursor.place(), _NO_LIST)
        return
    try:
        _read_list(cursor, rows)
    except json.JSONDecodeError as error:
        rows.report(Place(error.lineno, error.colno), f"this is not JSON ({error.msg})")
    except _NotJsonError as error:
        rows.report(cursor.place(), str(error))
    except ValueError:  # Python refuses to convert a number of thousands of digits
        rows.report(cursor.place(), "a number does not fit 64 bits; put it in quotes")
    except RecursionError:
        rows.report(cursor.place(), "lists and objects are nested too deeply here; flatten them")


def _read_list(cursor: _Cursor, rows: Rows) -> None:
    cursor.index += 1
    separator = cursor.skip_blanks()
    while separator != "]":
        place = cursor.place()
        row, cursor.index = _decoder.raw_decode(cursor.text, cursor.index)
        if cursor.has_surrogates and next(check_encodable(row), None):
            rows.report(place, "the row contains half of a character; write the whole one")
            return
        if not _add(row, place, rows):
            return
        separator = cursor.skip_blanks()
        if separator == ",":
            cursor.index += 1
            cursor.skip_blanks()
        elif separator != "]":
            raise json.JSONDecodeError("Expecting ',' or ']'", cursor.text, cursor.index)
    cursor.index += 1
    if cursor.skip_blanks():
        rows.report(cursor.place(), "text follows the list; remove it")


def _add(row: Any, place: Place, rows: Rows) -> bool:
    """Add a row; return whether the next ones can be read."""
    if not isinstance(row, dict):
        rows.report(place, f"a row is an object of columns and values; {_NO_LIST}")
        return True
    if not rows.columns and not rows.begin(list(row), place):
        return False
    if what := difference(row, rows.columns):
        rows.report(place, what)
    else:
        rows.add([row[column] for column in rows.columns], place)
    return True


def difference(row: dict[str, Any], columns: tuple[str, ...]) -> str:
    """Describe a column that a row lacks or has in addition to those of the first row, or ''."""
    if row.keys() == set(columns):
        return ""
    for column in columns:
        if column not in row:
            return f"the row lacks the column {show(column)} of the first row; write null for none"
    more = next(column for column in row if column not in columns)
    return f"the column {show(more)} is not one of the first row; add it there, or remove it"
