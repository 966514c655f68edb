"""Open the log of a run.

A module of its own because planning, applying and undoing need it, and applying imports planning.
"""

from contextlib import AbstractContextManager
from pathlib import Path

from fleetpatch.campaign.settings import Settings
from fleetpatch.report.logs import Log, open_log


def open_log_of(run_file: Path, run: str, settings: Settings) -> AbstractContextManager[Log]:
    """Open the log of the run with the id `run`. Raises as `fleetpatch.report.logs`."""
    ours = settings.log_file is None
    return open_log(settings.log_of(run_file), run=run, ours=ours, now=settings.clock.wall)
