"""The table of runs: as many columns as fit the terminal, the name of the run always whole."""

from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Final

from fleetpatch.model.cause import CauseCode
from fleetpatch.model.run import Summary, Tally
from fleetpatch.report.table import table


def state_of(run: Summary) -> str:
    """Return the state of a run as the tables of runs name it, such as `finished, undone`."""
    state = "cancelled" if run.cause_code == CauseCode.CANCELLED else run.state.value
    if run.undone_by:
        state = f"{state}, undone in part" if run.undone_in_part else f"{state}, undone"
    return f"{state} (dry run)" if run.info.dry_run else state


def _total(column: str, total: Tally) -> str | int:
    counts = {
        "TARGETS": total.total,
        "APPLIED": total.applied,
        "UNCHANGED": total.unchanged,
        "SKIPPED": total.skipped,
        "FAILED": total.failed,
        "PENDING": total.open,
    }
    return counts.get(column, "in all" if column == "RUN" else "")


_COLUMNS: Final = MappingProxyType[str, Callable[[Summary], str | int]](
    {
        "RUN": lambda run: run.info.run,
        "STATE": state_of,
        "TARGETS": lambda run: run.tally.total,
        "APPLIED": lambda run: run.tally.applied,
        "UNCHANGED": lambda run: run.tally.unchanged,
        "SKIPPED": lambda run: run.tally.skipped,
        "FAILED": lambda run: run.tally.failed,
        "PENDING": lambda run: run.tally.open,
        "CREATED": lambda run: run.info.created_at,
        "BY": lambda run: run.info.created_by,
    }
)
_FIRST_TO_GO: Final = ("BY", "CREATED", "UNCHANGED", "TARGETS", "SKIPPED", "PENDING", "APPLIED")
"""The columns that are left out where the terminal is narrow, in this order."""


def run_lines(
    summaries: Sequence[Summary], width: int | None = None, total: Tally | None = None
) -> list[str]:
    """Return a table with a row for each run, in the order given, at most `width` wide if it can.

    `width` None sets no limit. `total` adds a row.
    """
    columns = dict(_COLUMNS)
    for column in (*_FIRST_TO_GO, None):
        rows = [[value(one) for value in columns.values()] for one in summaries]
        if total is not None:
            rows.append([_total(name, total) for name in columns])
        lines = list(table(tuple(columns), rows))
        if column is None or width is None or max(map(len, lines)) <= width:
            return lines
        del columns[column]
    raise AssertionError("the last column is None")
