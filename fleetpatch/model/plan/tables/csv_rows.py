"""Rows of a csv file as RFC 4180 describes it; the first line has the columns, values are text."""

import csv
import io
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
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for values in reader:
            if values:
                yield line, values
            line = reader.line_num + 1
    except csv.Error as error:
        # The rest cannot be read: where the next record begins is unknown.
        words = (words for part, words in _WORDS.items() if part in str(error))
        rows.report(Place(line, 1), next(words, f"this is not csv ({error})"))
