"""Formats for programs: a JSON array, JSON Lines and CSV, each streamed line by line."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from fleetpatch.model.fields import Json
from fleetpatch.model.text import visible


def json_lines(objects: Iterable[Mapping[str, Json]]) -> Iterator[str]:
    """Yield one object a line."""
    for one in objects:
        yield msgspec.json.encode(one).decode()


def json_array(objects: Iterable[Mapping[str, Json]]) -> Iterator[str]:
    """Yield the lines of one array, with one object a line."""
    opening = "["
    for line in json_lines(objects):
        yield f"{opening}{line}"
        opening = ","
    yield "[]" if opening == "[" else "]"


def csv_lines(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Yield the header and the rows (RFC 4180). Line ends in cells become blanks."""
    yield _csv_line(header)
    for row in rows:
        yield _csv_line(["" if cell is None else visible(str(cell)) for cell in row])


def _csv_line(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()
