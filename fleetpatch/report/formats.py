"""Formats for programs: a JSON array, JSON Lines, CSV and YAML; all but YAML are streamed."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

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


def yaml_lines(value: Json) -> Iterator[str]:
    """Yield the lines of a YAML document."""
    # Deferred: ruamel loads in 30 ms, and only this format needs it.
    from ruamel.yaml import YAML  # noqa: PLC0415 - see above

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment] # its stub says None
    text = io.StringIO()
    yaml.dump(value, text)
    yield from text.getvalue().splitlines()


def csv_lines(
    header: Sequence[str], rows: Iterable[Sequence[object]], *, inert: bool = False
) -> Iterator[str]:
    """Yield the header and the rows (RFC 4180). Line ends in cells become blanks.

    With `inert` a spreadsheet takes no cell for a formula: text that would begin one gets an
    apostrophe in front, also after a semicolon, which separates the cells in many countries.
    """
    yield _csv_line(header)
    for row in rows:
        cells = ["" if cell is None else visible(str(cell)) for cell in row]
        yield _csv_line([_inert(cell) for cell in cells] if inert else cells)


_FORMULA: Final = re.compile(r"(^|;)(?=[\s\"]*[=+\-@\uff1d\uff0b\uff0d\uff20])")
"""The beginning of what spreadsheets evaluate, in ASCII and full width; they skip blanks."""


def _inert(cell: str) -> str:
    return _FORMULA.sub(r"\1'", cell)


def _csv_line(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()
