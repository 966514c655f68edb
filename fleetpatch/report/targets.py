"""The targets of a run, one on each line: a table for people, JSON Lines for programs.

Both are streamed, since a run may have hundreds of thousands of targets.
"""

from collections.abc import Iterable, Iterator

import msgspec

from fleetpatch.model.fields import Json
from fleetpatch.model.run import ListedTarget, Standing
from fleetpatch.report.preview import as_object
from fleetpatch.report.table import TableRow, table

_HEADER = ("CLUSTER", "KIND", "NAMESPACE", "NAME", "OUTCOME", "REASON", "HTTP", "DETAIL")

_OPEN = frozenset({Standing.PENDING, Standing.IN_DOUBT})


def target_lines(listed: Iterable[ListedTarget]) -> Iterator[str]:
    """Yield a table, in the order given."""
    return table(_HEADER, map(_row, listed))


def target_json_lines(listed: Iterable[ListedTarget]) -> Iterator[str]:
    """Yield a JSON object for each target, without line ends; an interface (docs/reference.md)."""
    for one in listed:
        yield msgspec.json.encode(as_json(one)).decode()


def as_json(listed: ListedTarget) -> dict[str, Json]:
    """Return one target; `inDoubt` is true for a pending one that may have been sent."""
    target, end = listed.target, listed.settlement
    return {
        "cluster": target.cluster,
        "kind": target.resource.name,
        "namespace": target.namespace,
        "name": target.name,
        "uid": target.uid,
        "before": as_object(target.before),
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
        target.resource.name,
        target.namespace,
        target.name,
        listed.standing,
        end.reason if end else "",
        # As text, since a status is not a quantity: the table aligns numbers to the right.
        str(end.http_status) if end and end.http_status else "",
        end.detail if end else "",
    )
