"""Reads run files, for the report and the command line. Nothing here changes a run file."""

import time
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from fleetpatch import files
from fleetpatch.campaign.change import change_of, undecided_of
from fleetpatch.campaign.integrity import plan_of, require_digest
from fleetpatch.campaign.planning.coverage import empty_places, missing_objects
from fleetpatch.campaign.planning.forecast import forecast_of
from fleetpatch.errors import Locked, RunFileError, UsageError
from fleetpatch.journal import queries, tables
from fleetpatch.journal.run_digest import run_digest
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.runs import campaigns, catalog, heartbeat
from fleetpatch.journal.runs.campaigns import Campaign
from fleetpatch.journal.sqlite_file import is_database
from fleetpatch.model.live import Status
from fleetpatch.model.plan.digest import restore
from fleetpatch.model.run import Summary, WindowState
from fleetpatch.report.preview import ChangeSample, Preview
from fleetpatch.rules.planning.planner import goal
from fleetpatch.rules.running.window import MAX_LOOKAHEAD, window_status

SAMPLES = 5
"""Targets that a preview shows with their values before and after."""


def is_plan_file(path: Path) -> bool:
    """Return whether a path is a plan file and not a run. Raises RunFileError.

    True for a folder, because the error of reading it as a plan is the clearest.
    """
    if files.is_regular(path):
        return not is_database(path)
    return files.is_folder(path)


def find_run(runs: Path, text: str) -> Path | Campaign:
    """Find a run by path or name, or a campaign by the name of its plan.

    Raises UsageError if none or more than one fits, and RunFileError if the file cannot be read.
    """
    found = campaigns.find(runs, text)
    if isinstance(found, Path) and not is_database(found):
        raise UsageError(
            f"{text}: is not a run file; name a run that was made from a plan: "
            "`fleetpatch runs` lists them"
        )
    return found


def summarize(run_file: Path | str) -> Summary:
    """Return the summary of a run file; of one in use elsewhere what its session reports.

    Raises RunFileError.
    """
    if elsewhere := heartbeat.report_elsewhere(Path(run_file)):
        return catalog.located(elsewhere.summary, Path(run_file))
    with RunFile.open(Path(run_file)) as journal:
        require_digest(journal)
        return queries.summary(journal)


def status(run_file: Path) -> Status:
    """Return the status of a run: what its session reports, or what its file says.

    Raises RunFileError, and Locked if the file is in use on another machine and its session has
    not reported anything yet.
    """
    now = time.time()
    beat = heartbeat.live(run_file, now)
    report = beat.report if beat else None
    if beat is not None and report is not None:
        summary, live, samples = report.summary, report.live, report.samples
        summary = catalog.located(with_window(summary, now), run_file)
        return Status(summary, beat.holder, live, beat.age(now), samples)
    with RunFile.open(run_file) as journal:
        require_digest(journal)
        summary = with_window(queries.summary(journal), now)
        samples = queries.reason_samples(journal)
    if beat is not None:
        return Status(summary, beat.holder, None, beat.age(now), samples)
    return Status(summary, samples=samples)


def with_window(summary: Summary, now: float) -> Summary:
    """Return a summary with the state of its plan's window at the moment `now`."""
    try:
        plan = restore(summary.info.plan)
    except (ValueError, RecursionError):
        return summary  # a plan that cannot be read has no window that can be shown
    if plan.window is None:
        return summary
    window = plan.window.window()
    seen = window_status(window, now)
    # One that is open for longer than the rules look ahead has no closing that can be shown.
    is_near = seen.closes_at is not None and seen.closes_at < now + MAX_LOOKAHEAD
    closes_at = seen.closes_at if is_near else None
    state = WindowState(seen.may_send, window.zone.key, closes_at, seen.opens_at)
    return replace(summary, window=state)


def preview(run_file: Path, now: float | None = None) -> Preview:
    """Return what a planned run would do if it began at `now`. Raises RunFileError."""
    with RunFile.open(run_file) as journal:
        change = change_of(journal.info, plan_of(journal))
        samples = [
            ChangeSample(target, goal(change, target))
            for target in queries.samples(journal, SAMPLES)
        ]
        places = queries.places(journal)
        undecided = undecided_of(change, journal.resources.values(), journal.merging)
        now = time.time() if now is None else now
        summary = with_window(queries.summary(journal), now)
        return Preview(
            summary,
            places,
            samples,
            undecided,
            run_digest(journal),
            empty_places(journal),
            forecast_of(journal, summary, now),
            tables.missing_keys_of(journal),
            queries.dependents(journal),
        )


def digest_of_run(run_file: Path) -> str:
    """Compute the digest of a run from what its file holds. Raises RunFileError."""
    with RunFile.open(run_file) as journal:
        return run_digest(journal)


def names_not_found(run_file: Path) -> list[str]:
    """Describe the objects that the plan of a run names, and that were not found."""
    with RunFile.open(run_file) as journal:
        return missing_objects(journal)


def summaries(runs: Path) -> Iterator[Summary | str]:
    """Yield the summary of each run in a folder, newest first, or the error of reading it."""
    for path in catalog.run_files(runs):
        try:
            yield summarize(path)
        except (Locked, RunFileError) as error:
            yield str(error)
