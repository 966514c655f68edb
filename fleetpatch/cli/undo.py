"""`fleetpatch undo`: put back what a run changed."""

from pathlib import Path
from typing import Annotated

import typer

from fleetpatch.campaign.settings import Settings
from fleetpatch.campaign.undo import undo
from fleetpatch.campaign.view import find_run
from fleetpatch.cli.execute import carry_out
from fleetpatch.cli.options import (
    LogFileOption,
    Output,
    OutputOption,
    RunFileOption,
    StateDirOption,
    TimeoutOption,
    YesOption,
)
from fleetpatch.cli.running import run as run_async
from fleetpatch.cli.warnings import WarnOnce


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", show_default=False)],
    yes: YesOption = False,
    run_file: RunFileOption = None,
    output: OutputOption = Output.TEXT,
    state_dir: StateDirOption = None,
    log_file: LogFileOption = None,
    request_timeout: TimeoutOption = 30.0,
) -> None:
    """Put back what a run changed, where it is still ours.

    It is a run of its own, and can be resumed and undone itself. Values that somebody changed since
    stay as they are (skipped: drifted).
    """
    settings = Settings(state_dir, log_file, request_timeout, warn=WarnOnce())
    path: Path = find_run(settings.runs, run)
    planned = run_async(lambda: undo(path, settings, new_file=run_file))
    carry_out(planned, settings, output, yes=yes)
