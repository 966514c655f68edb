"""Reads a table's file. All problems are raised together, each with file and line of the table."""

import codecs
from collections.abc import Callable, Mapping
from pathlib import PurePath
from types import MappingProxyType
from typing import Final

from fleetpatch.errors import PlanError
from fleetpatch.model.plan.problems import Place, Problem
from fleetpatch.model.plan.tables.csv_rows import read_csv
from fleetpatch.model.plan.tables.json_rows import read_json
from fleetpatch.model.plan.tables.table import Rows, Table
from fleetpatch.model.plan.tables.yaml_rows import read_yaml
from fleetpatch.model.plan.yaml.syntax import decode, place_of_byte

LARGEST: Final = 64 * 1024 * 1024
"""The maximum size of a table's file in bytes: its rows are kept in memory."""

FORMATS: Final[Mapping[str, Callable[[str, Rows], None]]] = MappingProxyType(
    {".csv": read_csv, ".json": read_json, ".yaml": read_yaml, ".yml": read_yaml}
)
"""The readers by the end of the file's name, in lower case."""

_FIRST: Final = Place(1, 1)
_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def is_table(file: str) -> bool:
    """Report whether the end of a file's name names a format of tables."""
    return PurePath(file).suffix.lower() in FORMATS


def read_table(data: bytes, file: str, key: str) -> Table:
    """Read the rows of a file by the column `key`; `file` is its name in problems.

    Raises PlanError with all problems.
    """
    rows = Rows(file, key)
    text = _text(data, rows)
    if text is not None:
        FORMATS[PurePath(file).suffix.lower()](text, rows)
        if not rows.problems and rows.is_empty:
            what = "the table has no row" if text.strip() else "the file is empty"
            rows.report(_FIRST, f"{what}; add a row, or remove the table from the plan")
    if rows.problems:
        problems = [*rows.problems]
        if rows.unlisted:
            problems.append(Problem(file, f"there are {rows.unlisted} more problems"))
        raise PlanError(problems)
    return rows.table()


def _text(data: bytes, rows: Rows) -> str | None:
    """Decode a file, with or without a byte order mark; None after a problem."""
    if len(data) > LARGEST:
        rows.report(_FIRST, f"the file has more than {LARGEST} bytes; split the table")
        return None
    if data.startswith(_UTF_16):
        rows.report(_FIRST, "the file is UTF-16; save it as UTF-8")
        return None
    try:
        return decode(data)
    except UnicodeDecodeError as error:
        rows.report(place_of_byte(error), "the file is not UTF-8 here; save it as UTF-8")
        return None
