"""Undoes one run, or several of a campaign: the newest first, each read after the one before it.

A later run may have changed what an earlier one had changed. So the undo of the earlier run is
planned only when that of the later run has ended.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec
from msgspec.structs import replace

from fleetpatch.campaign.planning.undo import undo
from fleetpatch.campaign.settings import ApplyOptions, Settings
from fleetpatch.campaign.view import summarize
from fleetpatch.cli.choose_run import ToUndo
from fleetpatch.cli.ending import Ended
from fleetpatch.cli.event_loop import run
from fleetpatch.cli.execute import ask, code_of, finish
from fleetpatch.cli.options import Output
from fleetpatch.cli.output import print_summary
from fleetpatch.errors import Exit, NothingToUndo, UsageError
from fleetpatch.journal.runs.campaigns import Campaign
from fleetpatch.journal.runs.catalog import run_path
from fleetpatch.model.run import RunState, Summary
from fleetpatch.report.progress import watch_planning
from fleetpatch.report.runs import run_lines
from fleetpatch.report.terminal import write
from fleetpatch.report.wording import command, several


class Extent(msgspec.Struct, frozen=True):
    """The words of the command line that say what is undone: `what` is a run or a plan's name."""

    what: str
    all_runs: bool
    since: float | None
    run_file: Path | None
    new: bool = False

    def require_fitting(self, found: Path | Campaign) -> None:
        """Raise UsageError if options for a plan's name are used with a run."""
        if isinstance(found, Path) and (self.all_runs or self.since is not None):
            raise UsageError(
                f"{self.what}: --all-runs and --since are for the name of a plan, and this is a"
                " run; leave them out"
            )


def undo_runs(
    found: ToUndo,
    settings: Settings,
    output: Output,
    extent: Extent,
    options: ApplyOptions,
    *,
    yes: bool,
) -> None:
    """Undo the runs in the order given, and raise Ended with the gravest exit code.

    It ends with the first undo that is not finished. Raises UsageError if several runs are not
    confirmed.
    """
    runs = found.runs
    if not runs:
        raise Ended(_show_undone(found.undone, settings, output, extent.what))
    settings.monitor.summarized(runs[0])
    if len(runs) == 1:
        planned = _planned(runs[0], settings, extent)
        raise Ended(finish(planned, settings, output, yes=yes, options=options))
    _confirm(runs, extent, yes=yes)
    worst = Exit.OK
    for one in runs:
        try:
            planned = _planned(one, settings, extent)
        except NothingToUndo as error:
            # Its targets in doubt were read, and none of them was changed.
            sys.stderr.write(f"{error}\n")
            continue

        def gravest(summary: Summary, worst: Exit = worst) -> Exit:
            return max(worst, code_of(summary))

        is_last = one is runs[-1]
        worst = finish(
            planned,
            settings,
            output,
            yes=True,
            options=options,
            code_of=gravest,
            is_last=is_last,
        )
        if worst not in (Exit.OK, Exit.SOME_FAILED):
            break
    raise Ended(worst)


def _planned(undone: Summary, settings: Settings, extent: Extent) -> Summary:
    """Plan the undo of one run, with progress; return the undo that has put it back, if any."""
    with watch_planning(sys.stderr) as progress:
        watched = replace(settings, progress=progress)
        work = partial(undo, undone.run_file, watched, new_file=extent.run_file, new=extent.new)
        planned = run(work)
    if planned.state is RunState.FINISHED:
        done = f"{undone.info.run} is undone already, by {planned.info.run}; nothing was sent."
        sys.stderr.write(f"{done}\n")
    elif planned.state is not RunState.PLANNED:
        resuming = f"Resuming the unfinished undo {planned.info.run}"
        sys.stderr.write(f"{resuming} (use --new to plan again instead).\n")
    return planned


def _show_undone(undone: Mapping[str, str], settings: Settings, output: Output, name: str) -> Exit:
    """Say by which undos all runs of a plan are undone; return the gravest exit code of these."""
    summaries = []
    for run_, undo_ in undone.items():
        sys.stderr.write(f"{run_} is undone already, by {undo_}; nothing was sent.\n")
        path = run_path(settings.runs, undo_)
        if path.is_file():
            summaries.append(summarize(path))
    if len(undone) > 1:
        sys.stderr.write(f"All {len(undone)} runs of {name} are undone.\n")
    for one in summaries:
        settings.monitor.summarized(one)
        if output is Output.JSON or len(summaries) == 1:
            print_summary(one, settings, output)
    if output is not Output.JSON and len(summaries) > 1:
        write(run_lines(summaries), sys.stdout)
    return max(map(code_of, summaries), default=Exit.OK)


def _confirm(runs: Sequence[Summary], extent: Extent, *, yes: bool) -> None:
    if extent.run_file is not None:
        raise UsageError(
            f"{extent.what}: --run-file names one file, and {len(runs)} runs are to be undone;"
            " leave it out, or name one run"
        )
    if yes and not extent.all_runs and extent.since is None:
        names = ", ".join(one.info.run for one in runs)
        raise UsageError(
            f"{extent.what}: {len(runs)} of its runs are not undone: {names}; undo all of them with"
            f" `{command('undo', extent.what, '--yes', '--all-runs')}`, those since a moment with"
            " --since, or name one run"
        )
    if not yes:
        write(_question_lines(runs, extent.what), sys.stderr)
        ask()


def _question_lines(runs: Sequence[Summary], name: str) -> Iterator[str]:
    applied = several(sum(one.tally.applied for one in runs), "applied target")
    yield f"The undo of {name} puts back {len(runs)} runs with {applied}, the newest first:"
    yield from run_lines(runs)
