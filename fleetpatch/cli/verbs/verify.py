"""`fleetpatch verify`: whether what a run changed is still there."""

from fleetpatch.cli.ending import Ended
from fleetpatch.cli.lean_imports import load_libraries
from fleetpatch.cli.options import (
    LogFileOption,
    LogMaxSizeOption,
    Output,
    OutputOption,
    RunArgument,
    StateDirOption,
    TimeoutOption,
    WorkersOption,
    WorkerTimeoutOption,
)


def command(
    run: RunArgument,
    output: OutputOption = Output.TEXT,
    state_dir: StateDirOption = None,
    log_file: LogFileOption = None,
    log_max_size: LogMaxSizeOption = None,
    request_timeout: TimeoutOption = 30.0,
    workers: WorkersOption = None,
    worker_timeout: WorkerTimeoutOption = 15.0,
) -> None:
    """Read the objects of a run again, and say whether the change is still there.

    Each applied target holds, or was reverted, changed, gone or replaced, with the field manager
    that owns the field now. Nothing is changed. A plan's name means all its runs that are not
    undone; an object of several counts for the latest.

    Exit codes: 0 nothing was reverted; 3 something was; 7 some objects could not be read.
    """
    load_libraries()

    from fleetpatch.campaign.view import find_run
    from fleetpatch.cli.choose_run import to_verify
    from fleetpatch.cli.settings import settings_of
    from fleetpatch.cli.verify_runs import verify_runs

    settings = settings_of(
        state_dir, log_file, request_timeout, workers, worker_timeout, log_max_size=log_max_size
    )
    raise Ended(verify_runs(to_verify(find_run(settings.runs, run)), settings, output))
