"""`fleetpatch undo`: put back what a run changed."""

from fleetpatch.cli.options import (
    LogFileOption,
    Output,
    OutputOption,
    ReasonOption,
    RunArgument,
    RunFileOption,
    StateDirOption,
    TimeoutOption,
    YesOption,
)


def command(
    run: RunArgument,
    yes: YesOption = False,
    run_file: RunFileOption = None,
    output: OutputOption = Output.TEXT,
    reason: ReasonOption = "",
    state_dir: StateDirOption = None,
    log_file: LogFileOption = None,
    request_timeout: TimeoutOption = 30.0,
) -> None:
    """Put back what a run changed, unless it was changed again since.

    An undo is a run of its own, which can be resumed and undone. Values that another writer changed
    since then stay as they are (skipped: drifted).
    """
    from fleetpatch.campaign.settings import Settings
    from fleetpatch.campaign.undo import undo
    from fleetpatch.campaign.view import find_run
    from fleetpatch.cli import event_loop
    from fleetpatch.cli.choose_run import to_read
    from fleetpatch.cli.execute import carry_out
    from fleetpatch.cli.output import WarnOnce

    settings = Settings(state_dir, log_file, request_timeout, warn=WarnOnce(), reason=reason)
    path = to_read(find_run(settings.runs, run))[0]
    planned = event_loop.run(lambda: undo(path, settings, new_file=run_file))
    carry_out(planned, settings, output, yes=yes)
