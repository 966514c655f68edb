"""Prints the status of a campaign: all its runs with totals, and the run under way in full."""

import json
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from fleetpatch.campaign.settings import Settings
from fleetpatch.campaign.view import status
from fleetpatch.cli.options import Output
from fleetpatch.cli.streams import write_line
from fleetpatch.journal.runs import catalog
from fleetpatch.journal.runs.campaigns import Campaign
from fleetpatch.report.campaign import campaign_as_json, campaign_lines
from fleetpatch.report.terminal import write


def under_way_first(paths: Iterable[Path]) -> list[Path]:
    """Sort runs, given newest first: the unfinished ones come before the others."""
    entries = [catalog.read_entry(path) for path in paths]
    return [one.path for one in sorted(entries, key=lambda one: not one.is_unfinished)]


def show_campaign(
    campaign: Campaign, paths: Sequence[Path], settings: Settings, output: Output
) -> None:
    """Print the status of all runs of a campaign. Raises as `view.status`."""
    runs = [status(path) for path in under_way_first(paths)]
    undos = {one.run: one.words for one in campaign.unfinished_undos}
    if output is Output.JSON:
        write_line(json.dumps(campaign_as_json(campaign.name, runs, undos)))
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    log_file = str(settings.log_of(Path(runs[0].summary.run_file)))
    lines = campaign_lines(
        campaign.name, runs, undos, now=time.time(), width=width, log_file=log_file
    )
    write(lines, sys.stdout)
