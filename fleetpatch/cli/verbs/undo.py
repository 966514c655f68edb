"""`fleetpatch undo`: put back what a run changed."""

from typing import Annotated

from fleetpatch.cli.lean_imports import load_libraries
from fleetpatch.cli.options import (
    ConcurrencyOption,
    LogFileOption,
    LogMaxSizeOption,
    MetricsFileOption,
    MetricsListenOption,
    MetricsPushOption,
    Output,
    OutputOption,
    ProgressOption,
    QuietOption,
    RateOption,
    ReasonOption,
    RunArgument,
    RunFileOption,
    SharedOption,
    SinceOption,
    StateDirOption,
    TimeoutOption,
    WorkersOption,
    WorkerTimeoutOption,
    YesOption,
)
from fleetpatch.cli.parameters import Option

_NewOption = Annotated[
    bool, Option("--new", help="Plan again, even if an unfinished undo can be resumed.")
]


def command(
    run: RunArgument,
    yes: YesOption = False,
    all_runs: Annotated[
        bool,
        Option("--all-runs", help="With --yes: undo all runs of the plan that are not undone."),
    ] = False,
    since: SinceOption = None,
    new: _NewOption = False,
    run_file: RunFileOption = None,
    rate: RateOption = None,
    concurrency: ConcurrencyOption = None,
    progress: ProgressOption = None,
    quiet: QuietOption = False,  # noqa: ARG001 - the parser acts on it
    output: OutputOption = Output.TEXT,
    reason: ReasonOption = "",
    state_dir: StateDirOption = None,
    shared: SharedOption = False,
    log_file: LogFileOption = None,
    log_max_size: LogMaxSizeOption = None,
    request_timeout: TimeoutOption = 30.0,
    workers: WorkersOption = None,
    worker_timeout: WorkerTimeoutOption = 15.0,
    metrics_file: MetricsFileOption = None,  # noqa: ARG001 - the parser acts on these three
    metrics_listen: MetricsListenOption = None,  # noqa: ARG001
    metrics_push: MetricsPushOption = None,  # noqa: ARG001
) -> None:
    """Put back what a run changed, unless it was changed again since.

    A plan's name means all its runs that are not undone, newest first, after one question. With
    --yes and more than one such run, --all-runs or --since is required.
    An undo is a run of its own, which can be undone; one that is unfinished is resumed. Values that
    another writer changed since then stay as they are (skipped: drifted).
    """
    load_libraries()

    from fleetpatch.campaign.settings import ApplyOptions
    from fleetpatch.campaign.view import find_run
    from fleetpatch.cli.choose_run import to_undo
    from fleetpatch.cli.settings import settings_of
    from fleetpatch.cli.undo_runs import Extent, undo_runs

    settings = settings_of(
        state_dir,
        log_file,
        request_timeout,
        workers,
        worker_timeout,
        reason=reason,
        shared=shared,
        progress_every=progress,
        log_max_size=log_max_size,
    )
    found = find_run(settings.runs, run)
    extent = Extent(run, all_runs=all_runs, since=since, run_file=run_file, new=new)
    extent.require_fitting(found)
    options = ApplyOptions(rate=rate, concurrency=concurrency)
    undo_runs(to_undo(found, since), settings, output, extent, options, yes=yes)
