"""Reads run files, for the report and the command line. Nothing here changes a run file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fleetpatch import files
from fleetpatch.campaign.change import change_of, undecided_of
from fleetpatch.campaign.coverage import missing_objects
from fleetpatch.campaign.integrity import plan_of, require_digest
from fleetpatch.errors import RunFileError, UsageError
from fleetpatch.journal import campaigns, catalog, queries
from fleetpatch.journal.campaigns import Campaign
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.sqlite_file import is_database
from fleetpatch.model.run import Summary
from fleetpatch.report.preview import Preview, Sample
from fleetpatch.rules.planning.planner import goal

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
    """Return the summary of a run file. Raises RunFileError."""
    with RunFile.open(Path(run_file)) as journal:
        require_digest(journal)
        return queries.summary(journal)


def preview(run_file: Path) -> Preview:
    """Return what a planned run would do. Raises RunFileError."""
    with RunFile.open(run_file) as journal:
        change = change_of(journal.info, plan_of(journal))
        samples = [
            Sample(target, goal(change, target)) for target in queries.samples(journal, SAMPLES)
        ]
        places = queries.places(journal)
        undecided = undecided_of(change, journal.resources.values(), journal.releases.values())
        return Preview(queries.summary(journal), places, samples, undecided)


def names_not_found(run_file: Path) -> list[str]:
    """Describe the objects that the plan of a run names, and that were not found."""
    with RunFile.open(run_file) as journal:
        return [str(one) for one in missing_objects(journal)]


@contextmanager
def open_for_reading(run_file: Path) -> Iterator[RunFile]:
    """Open a run file to read it. Raises RunFileError."""
    with RunFile.open(run_file) as journal:
        yield journal


def summaries(runs: Path) -> Iterator[Summary | str]:
    """Yield the summary of each run in a folder, newest first, or the error of reading it."""
    for path in catalog.run_files(runs):
        try:
            yield summarize(path)
        except RunFileError as error:
            yield str(error)
