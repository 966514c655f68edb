"""The targets of runs, one on each line: a table for people, other formats for programs.

All are streamed, since a run may have hundreds of thousands of targets.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from fleetpatch.model.fields import Json
from fleetpatch.model.resource import Resource
from fleetpatch.model.run import ListedTarget, Standing
from fleetpatch.model.target import identity_as_json
from fleetpatch.report.changes import as_object
from fleetpatch.report.formats import csv_lines, json_array, json_lines
from fleetpatch.report.table import TableRow, table

_HEADER = ("CLUSTER", "KIND", "NAMESPACE", "NAME", "OUTCOME", "REASON", "HTTP", "DETAIL")
_FIRST_TO_GO = ("HTTP", "CLUSTER", "KIND")
"""Columns that are left out on a narrow terminal, in this order."""

_OPEN = frozenset({Standing.PENDING, Standing.IN_DOUBT})


def target_lines(listed: Iterable[ListedTarget], *, runs: bool = False) -> Iterator[str]:
    """Yield a table, in the order given; with `runs` the first column is the run."""
    if not runs:
        return table(_HEADER, map(_row, listed), first_to_go=_FIRST_TO_GO)
    rows = ((one.run, *_row(one)) for one in listed)
    return table(("RUN", *_HEADER), rows, first_to_go=("RUN", *_FIRST_TO_GO))


def target_json_lines(listed: Iterable[ListedTarget]) -> Iterator[str]:
    """Yield a JSON object for each target, without line ends; an interface (docs/reference.md)."""
    return json_lines(map(as_json, listed))


def target_json_array(listed: Iterable[ListedTarget]) -> Iterator[str]:
    """Yield an array of the same objects."""
    return json_array(map(as_json, listed))


_COLUMNS: Final = (
    *("run", "cluster", "kind", "namespace", "name", "uid", "outcome", "reason", "httpStatus"),
    *("attempts", "elapsedMs", "detail", "before", "after"),
)


def target_csv_lines(listed: Iterable[ListedTarget], *, inert: bool = False) -> Iterator[str]:
    """Yield a header and a row for each target; `before` and `after` are JSON.

    `inert` is for spreadsheets (`formats.csv_lines`).
    """
    return csv_lines(_COLUMNS, map(_csv_row, listed), inert=inert)


def target_name_lines(listed: Iterable[ListedTarget]) -> Iterator[str]:
    """Yield names as `kubectl -o name` prints them: `job.batch/etl-7`."""
    for one in listed:
        yield name_for_kubectl(one.target.resource, one.target.name)


def name_for_kubectl(resource: Resource, name: str) -> str:
    """Return the name of an object with its kind, as kubectl prints and reads it."""
    kind = resource.kind.lower()
    return f"{kind}.{resource.group}/{name}" if resource.group else f"{kind}/{name}"


def _csv_row(listed: ListedTarget) -> list[object]:
    values = as_json(listed)
    for column in ("before", "after"):
        values[column] = msgspec.json.encode(values.get(column, {})).decode()
    return [values.get(column) for column in _COLUMNS]


def as_json(listed: ListedTarget) -> dict[str, Json]:
    """Return one target; `inDoubt` is true for a pending one that may have been sent."""
    target, end = listed.target, listed.settlement
    after = {} if listed.after is None else {"after": as_object(listed.after)}
    return {
        **({"run": listed.run} if listed.run else {}),
        **identity_as_json(target),
        "before": as_object(target.before),
        **after,
        "outcome": Standing.PENDING if listed.standing in _OPEN else listed.standing,
        "inDoubt": listed.standing is Standing.IN_DOUBT,
        "reason": end and end.reason,
        "httpStatus": end and end.http_status,
        "attempts": end.attempts if end else 0,
        "elapsedMs": round(end.elapsed_ms, 3) if end else 0.0,
        "detail": end.detail if end else "",
    }


def _row(listed: ListedTarget) -> TableRow:
    target, end = listed.target, listed.settlement
    return (
        target.cluster,
        target.kind,
        target.namespace,
        target.name,
        listed.standing,
        end.reason if end else "",
        # As text, since a status is not a quantity: the table aligns numbers to the right.
        str(end.http_status) if end and end.http_status else "",
        end.detail if end else "",
    )
