"""Chooses the run that a command means by the name of its plan.

`apply` and `resume` continue one run, and refuse a name that leaves a choice. `status` and
`targets` read all runs that were started.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from fleetpatch.campaign.view import summarize
from fleetpatch.errors import UsageError
from fleetpatch.journal.runs.campaigns import Campaign, complete_undo_by_run, require_readable
from fleetpatch.journal.runs.catalog import RunEntry, planned_at
from fleetpatch.journal.runs.undo_tree import has_begun
from fleetpatch.model.run import RunState, Summary
from fleetpatch.report.wording import command


class ToUndo(NamedTuple):
    """The runs to undo, and the undos of all runs with changes: none of them is left if all are."""

    runs: list[Summary]
    undone: Mapping[str, str]


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

    A preview is carried out by its own name only. Raises UsageError unless it is one run.
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
    entries = [*found.runs, *found.undos]
    require_readable(entries, "it may be unfinished: restore the file, or name another run")
    if not found.started:
        previews = [one for one in found.runs if one.state is RunState.PLANNED]
        advice = "apply the plan file"
        if previews:
            advice = f"carry out a preview with `{command('apply', *previews[0].words)}`"
        raise UsageError(
            f"{found.name}: no run of it was started, so there is none to resume; {advice}"
        )
    return found.started[0].path


def to_steer(found: Path | Campaign, verb: str) -> Path:
    """Return the run that `pause`, `cancel` or `pace` changes. Raises UsageError unless it is one.

    A preview is changed by its own name only.
    """
    if isinstance(found, Path):
        return found
    if not found.unfinished:
        require_readable([*found.runs, *found.undos], "it may be unfinished: restore the file")
        raise UsageError(f"{found.name}: no run of it is unfinished, so there is none to {verb}")
    return _only(verb, found.name, found.unfinished, "unfinished")


def to_read(found: Path | Campaign) -> list[Path]:
    """Return the runs that `status` and `targets` show, newest first.

    A campaign of which no run was started is its latest preview.
    """
    if isinstance(found, Path):
        return [found]
    _report_problems(found)
    shown = found.shown
    if not shown:
        raise UsageError(f"{found.name}: no run of it can be read")
    return [one.path for one in shown]


def to_undo(found: Path | Campaign, since: float | None) -> ToUndo:
    """Return the runs that `undo` puts back, newest first: those with targets that are not back.

    Raises UsageError if no run has changed anything, and RunFileError if one cannot be read.
    """
    if isinstance(found, Path):
        return ToUndo([summarize(found)], {})
    since_then = [one for one in found.runs if since is None or planned_at(one.path) >= since]
    require_readable(
        since_then,
        "this run may have to be undone before others: restore the file, or undo the others by"
        " their names",
    )
    require_readable(
        found.undos,
        "what this undo has put back is not put back again: restore the file, or move it out of its"
        " folder to go on without it",
    )
    _report_problems(found)
    entries = [*found.undos, *found.runs]
    put_back = complete_undo_by_run(entries)
    # After one that had nothing to send the run may have gone on: the next undo looks again.
    idle = {one.run for one in found.undos if not has_begun(one)}
    started = [one for one in found.started if one in since_then]
    changed = [one for entry in started if (one := summarize(entry.path)).may_have_changed]
    if not changed:
        when = "" if since is None else " since then"
        raise UsageError(f"{found.name}: no run of it has changed anything{when}; nothing to undo")
    # The process of the undo may have been killed before it noted that it was complete.
    again = {"", *idle}
    runs = [one for one in changed if put_back.get(one.info.run, "") in again or one.undone_in_part]
    # Where other runs are to be undone, those that were looked at are not looked at again.
    undone = {one.info.run: put_back.get(one.info.run, "") for one in changed}
    return ToUndo([one for one in runs if not undone[one.info.run]] or runs, undone)


def to_verify(found: Path | Campaign) -> list[Path]:
    """Return the runs that `verify` reads, newest first: those that are not put back.

    Raises UsageError if no run has changed anything.
    """
    if isinstance(found, Path):
        return [found]
    _report_problems(found)
    put_back = complete_undo_by_run([*found.undos, *found.runs])
    started = [one for one in found.started if one.run not in put_back]
    changed = [one.path for one in started if summarize(one.path).tally.applied]
    if not changed:
        raise UsageError(f"{found.name}: no run of it has changed anything that is not undone")
    return changed


def _report_problems(campaign: Campaign) -> None:
    for entry in (*campaign.runs, *campaign.undos):
        if entry.problem:
            sys.stderr.write(f"{entry.problem}\n")


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
        f"`{command(verb, *entries[0].words)}`"
    )
