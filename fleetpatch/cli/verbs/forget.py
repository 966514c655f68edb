"""`fleetpatch forget`: remove the run files and logs of runs that are over."""

import sys
from typing import Annotated

from fleetpatch.cli.options import OlderThanOption, RunsArgument, StateDirOption
from fleetpatch.cli.parameters import Option
from fleetpatch.cli.streams import write_line


def command(
    runs: RunsArgument,
    older_than: OlderThanOption = None,
    keep: Annotated[
        int,
        Option("--keep", at_least=0, metavar="N", help="Keep the newest N runs of each plan."),
    ] = 0,
    force: Annotated[
        bool,
        Option("--force", help="Remove also what is unfinished, or not undone."),
    ] = False,
    state_dir: StateDirOption = None,
) -> None:
    """Remove the run files and logs of runs that are over.

    A run that is unfinished, or that changed something and was not undone, is kept: without its
    run file it cannot be continued or undone. Of a plan, all other runs are removed, previews
    included. A run that is being carried out is never removed.
    """
    from fleetpatch.campaign.forget import forget
    from fleetpatch.campaign.settings import Settings
    from fleetpatch.journal.runs import campaigns
    from fleetpatch.report.wording import several

    settings = Settings(state_dir=state_dir)
    found = [campaigns.find(settings.runs, text) for text in runs]
    forgotten = forget(found, settings, older_than=older_than, keep=keep, force=force)
    for run, reason in forgotten.kept.items():
        sys.stderr.write(f"Kept {run}: {reason} (--force removes it).\n")
    write_line(f"Removed {several(len(forgotten.removed), 'run')}.")
    for run in forgotten.removed:
        write_line(f"  {run}")
