"""Rows of a csv file as RFC 4180 describes it; the first line has the columns, values are text."""

import csv
import io
import re
from collections.abc import Iterator
from types import MappingProxyType
from typing import Final

from fleetpatch.model.plan.problems import Place
from fleetpatch.model.plan.tables.table import Rows

_WORDS: Final = MappingProxyType(
    {
        "unexpected end of data": "the quotes are not closed",
        "expected after": "after closing quotes only a comma or the end of the line may follow",
        "field larger than field limit": (
            f"a value has more than {csv.field_size_limit()} characters; check the quotes"
        ),
    }
)
"""The message for each error of Python's csv reader, by a part of its own message."""

_QUOTED_WELL: Final = re.compile(
    r"""(?: [^"]*+ (?<![^,\r\n]) "(?: [^"]++ | "" )*+" (?![^,\r\n]) )*+ [^"]*+""", re.VERBOSE
)
"""Text up to the first quote that neither encloses a value nor is doubled within one."""
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_STRAY: Final = "a quote is within a value; put the whole value in quotes, and double those within"
_AFTER_BLANK: Final = "blanks are in front of the quotes; remove them"


def read_csv(text: str, rows: Rows) -> None:
    """Add the rows of `text` to `rows`."""
    for line, values in _records(text, rows):
        place = Place(line, 1)
        if not rows.columns:
            if not rows.begin(values, place):
                return
        elif len(values) != len(rows.columns):
            what = f"the line has {len(values)} values, and there are {len(rows.columns)} columns"
            rows.report(place, f"{what}; put values with commas in quotes")
        else:
            rows.add(values, place)


def _records(text: str, rows: Rows) -> Iterator[tuple[int, list[str]]]:
    """Yield each record that is not blank, with the line in which it begins."""
    stray = _stray_quote(text)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for values in reader:
            if stray and reader.line_num >= stray[0].line:
                rows.report(*stray)
                return
            if values:
                yield line, values
            line = reader.line_num + 1
    except csv.Error as error:
        # The rest cannot be read: where the next record begins is unknown.
        words = (words for part, words in _WORDS.items() if part in str(error))
        rows.report(Place(line, 1), next(words, f"this is not csv ({error})"))


def _stray_quote(text: str) -> tuple[Place, str] | None:
    """Return the place of a quote in a value without quotes, which Python reads as it is."""
    found = _QUOTED_WELL.match(text)
    at = found.end() if found else 0
    # At the start of a value the reader finds what is wrong: text follows, or the end is missing.
    if at == len(text) or at == 0 or text[at - 1] in ",\r\n":
        return None
    start = max(text.rfind("\n", 0, at), text.rfind("\r", 0, at)) + 1
    value = text[max(start, text.rfind(",", 0, at) + 1) : at]
    what = _STRAY if value.strip() else _AFTER_BLANK
    line = sum(1 for _ in _LINE_END.finditer(text, 0, at)) + 1
    return Place(line, at - start + 1), what
