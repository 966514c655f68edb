"""Chooses the run that a command means by the name of its plan.

`apply` and `resume` continue one run, and refuse a name that leaves a choice. `status` and
`targets` read all runs that were started.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from fleetpatch.campaign.view import summarize
from fleetpatch.errors import UsageError
from fleetpatch.journal.campaigns import Campaign
from fleetpatch.journal.catalog import RunEntry
from fleetpatch.model.run import RunState
from fleetpatch.report.wording import command


def to_apply(found: Path | Campaign) -> Path:
    """Return the run that `apply` carries out. Raises UsageError unless it is one run."""
    match found:
        case Path():
            return found
        case Campaign(unfinished=[]):
            return _latest(found)
        case Campaign():
            return _only("apply", found.name, found.unfinished, "unfinished")


def to_resume(found: Path | Campaign, *, failed: bool) -> Path:
    """Return the run that `resume` continues, or whose failed targets it retries.

    Raises UsageError unless it is one run.
    """
    if isinstance(found, Path):
        return found
    if unfinished := found.unfinished:
        return _only("resume", found.name, unfinished, "unfinished")
    if failed:
        with_failures = [one for one in found.started if summarize(one.path).tally.failed]
        if len(with_failures) > 1:
            return _only("resume", found.name, with_failures, "runs with failed targets")
        if with_failures:
            return with_failures[0].path
    return _latest(found)


def to_read(found: Path | Campaign) -> list[Path]:
    """Return the runs that `status` and `targets` show, the one under way first.

    A campaign of which no run was started is its latest preview.
    """
    if isinstance(found, Path):
        return [found]
    for entry in (*found.runs, *found.undos):
        if entry.problem:
            sys.stderr.write(f"{entry.problem}\n")
    shown = found.shown
    if not shown:
        raise UsageError(f"{found.name}: no run of it can be read")
    return [one.path for one in shown]


def _latest(campaign: Campaign) -> Path:
    """Return the only preview since the last started run, else that run, which is finished.

    Raises UsageError if there are several previews, or no run.
    """
    runs, started = campaign.runs, campaign.started
    latest = runs.index(started[0]) if started else len(runs)
    previews = [one for one in runs[:latest] if one.state is RunState.PLANNED]
    if previews:
        return _only("apply", campaign.name, previews, "previews")
    if not started:
        raise UsageError(f"{campaign.name}: no run of it was started; apply the plan file")
    return started[0].path


def _only(verb: str, name: str, entries: Sequence[RunEntry], what: str) -> Path:
    if len(entries) == 1:
        return entries[0].path
    runs = ", ".join(one.run for one in entries)
    raise UsageError(
        f"{name}: {len(entries)} of its runs are {what}: {runs}; name one of them: "
        f"`{command(verb, entries[0].run)}`"
    )
