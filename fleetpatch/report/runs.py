"""All runs at a glance: the table of `status` without a run."""

from collections.abc import Iterable, Iterator

from fleetpatch.model.run import Summary
from fleetpatch.report.table import Row, table

_HEADER = (
    "RUN",
    "PLAN",
    "STATE",
    "TARGETS",
    "APPLIED",
    "UNCHANGED",
    "SKIPPED",
    "FAILED",
    "PENDING",
    "CREATED",
)


def run_lines(summaries: Iterable[Summary]) -> Iterator[str]:
    """A row a run, in the order given."""
    return table(_HEADER, map(_row, summaries))


def _row(summary: Summary) -> Row:
    tally, info = summary.tally, summary.info
    return (
        info.run,
        info.plan_name,
        f"{summary.state} (dry run)" if info.dry_run else summary.state,
        tally.total,
        tally.applied,
        tally.unchanged,
        tally.skipped,
        tally.failed,
        tally.open,
        info.created_at,
    )
