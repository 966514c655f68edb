"""The question before the first PATCH: where to, and how many."""

from collections.abc import Iterator

from fleetpatch.model.run import Summary
from fleetpatch.model.text import clean
from fleetpatch.report.table import table
from fleetpatch.report.wording import several

QUESTION = "Go on? Type yes: "


def confirmation_lines(summary: Summary) -> Iterator[str]:
    """What stands above the question: each cluster's name and server, and what it would get."""
    rows = []
    for cluster in summary.info.clusters:
        tally = summary.by_cluster[cluster.name]
        rows.append((cluster.name, cluster.server, tally.open, tally.unchanged, tally.skipped))
    open_ = several(summary.tally.open, "object")
    verb = "try" if summary.info.dry_run else "patch"
    suffix = ", and store nothing (dry run)" if summary.info.dry_run else ""
    yield f"{clean(summary.info.plan_name)} is about to {verb} {open_}{suffix}:"
    header = ("CLUSTER", "SERVER", "TO PATCH", "UNCHANGED", "SKIPPED")
    yield from table(header, rows, indent="  ")


def is_yes(answer: str) -> bool:
    """Only the whole word will do: a stray Return or y must not set off a campaign."""
    return answer.strip().lower() == "yes"
