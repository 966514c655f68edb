"""What every verb that plans has in common: the survey, watched where somebody watches."""

import sys
from dataclasses import replace
from pathlib import Path

from fleetpatch.campaign.expanding import expand
from fleetpatch.campaign.settings import Settings
from fleetpatch.cli.running import run
from fleetpatch.model.plan.load import PlanFile
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.run import Summary
from fleetpatch.report.progress import watch_planning


def expand_watched(
    plan: Plan | PlanFile,
    settings: Settings,
    *,
    run_file: Path | None,
    everything: bool,
    dry_run: bool = False,
) -> Summary:
    """Expand a plan, with progress on a terminal. Raises as `expand`."""
    with watch_planning(sys.stderr) as progress:
        watched = replace(settings, progress=progress)
        return run(
            lambda: expand(plan, watched, run_file=run_file, everything=everything, dry_run=dry_run)
        )
