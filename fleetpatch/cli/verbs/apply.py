"""`fleetpatch apply`: carry out a plan file, or a run that was planned before."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

from fleetpatch.cli.dry_run import DryRun
from fleetpatch.cli.lean_imports import load_libraries
from fleetpatch.cli.options import (
    AllOption,
    ConcurrencyOption,
    DryRunOption,
    FilenameOption,
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
    RunFileOption,
    SharedOption,
    StateDirOption,
    TimeoutOption,
    WaitOption,
    WorkersOption,
    WorkerTimeoutOption,
    YesOption,
    named_once,
)
from fleetpatch.cli.parameters import Argument, Option

if TYPE_CHECKING:
    from fleetpatch.campaign.settings import ApplyOptions, Settings
    from fleetpatch.cli.select_run import Choice

WhatArgument: TypeAlias = Annotated[
    str | None,
    Argument(
        metavar="PLAN|RUN",
        help="A plan file; or a run file, a run's name or its beginning, or a plan's name.",
    ),
]
DigestOption: TypeAlias = Annotated[
    str | None,
    Option(metavar="SHA256", help="Refuse any plan, or any run, but the one with this digest."),
]
NewOption: TypeAlias = Annotated[
    bool, Option("--new", help="Plan again, even if an unfinished run can be resumed.")
]


def command(
    what: WhatArgument = None,
    filename: FilenameOption = None,
    yes: YesOption = False,
    digest: DigestOption = None,
    dry_run: DryRunOption = DryRun.NONE,
    new: NewOption = False,
    wait: WaitOption = False,
    run_file: RunFileOption = None,
    everything: AllOption = False,
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
    """Carry out a plan file, or a run that was planned before.

    A plan file is expanded afresh, unless a run of the same plan was started and is unfinished:
    that one is continued. A previewed run is carried out by its name.

    Exit codes: 0 done; 1 our own surroundings failed (disk, kubeconfig), or before there is a run a
    server; 2 bad usage or not confirmed, nothing was sent; 3 some targets failed or were reverted;
    4 halted; 5 paused as planned, the next call continues; 6 another process applies the plan; 7
    paused by trouble, a person should look.
    """
    load_libraries()

    from fleetpatch.campaign.settings import ApplyOptions
    from fleetpatch.cli.select_run import Choice
    from fleetpatch.cli.settings import settings_of

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
    options = ApplyOptions(wait_for_window=wait, rate=rate, concurrency=concurrency)
    on_server = dry_run is DryRun.SERVER
    choice = Choice(digest, dry_run=on_server, new=new, run_file=run_file, everything=everything)
    _carry_out(what, filename, settings, options, choice, output, dry_run, yes=yes)


def _carry_out(
    what: str | None,
    filename: Path | None,
    settings: "Settings",
    options: "ApplyOptions",
    choice: "Choice",
    output: Output,
    dry_run: DryRun,
    *,
    yes: bool,
) -> None:
    """Carry out, or only rehearse, the plan file or the run that is named."""
    from fleetpatch.cli.select_run import apply_plan, rehearse

    named = _named(what, filename)
    if dry_run is DryRun.CLIENT:
        rehearse(named, settings, choice, output)
    elif _is_plan(named, filename):
        apply_plan(Path(named), settings, options, choice, output, yes=yes)
    else:
        _apply_run(named, settings, options, choice, output, yes=yes)


def _named(what: str | None, filename: Path | None) -> str:
    path = None if filename is None else str(filename)
    return named_once(what, path, what="PLAN|RUN", verb="apply")


def _is_plan(what: str, filename: Path | None) -> bool:
    from fleetpatch.campaign.view import is_plan_file

    # Any file that is not a run file counts as a plan file; other names are looked up as runs.
    return filename is not None or is_plan_file(Path(what))


def _apply_run(
    what: str,
    settings: "Settings",
    options: "ApplyOptions",
    choice: "Choice",
    output: Output,
    *,
    yes: bool,
) -> None:
    """Carry out a run that was planned before; exit with its code."""
    from fleetpatch.campaign.running.log import refusals_logged
    from fleetpatch.campaign.servers import summarize_to_resume
    from fleetpatch.campaign.view import find_run
    from fleetpatch.cli import select_run
    from fleetpatch.cli.choose_run import to_apply
    from fleetpatch.cli.execute import carry_out

    # A name that leads to nothing is logged as well: cron may have a wrong path.
    with refusals_logged(Path(what), settings):
        planned = summarize_to_resume(to_apply(find_run(settings.runs, what)))
        settings.monitor.summarized(planned)
        select_run.require_current_run(planned, settings)
        select_run.require_run_digest(planned, choice.digest, what)
        select_run.require_run_options(what, planned, choice)
    carry_out(planned, settings, output, yes=yes, options=options)
