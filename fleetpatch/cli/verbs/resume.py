"""`fleetpatch resume`: continue a run."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

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
    RunArgument,
    StateDirOption,
    TimeoutOption,
    WaitOption,
    WorkersOption,
    WorkerTimeoutOption,
    YesOption,
)
from fleetpatch.cli.parameters import Option
from fleetpatch.errors import UsageError
from fleetpatch.model.outcome import OUTCOME_OF, Outcome, Reason
from fleetpatch.model.run import RunState, Summary

if TYPE_CHECKING:
    from fleetpatch.campaign.settings import Settings

FailedOption: TypeAlias = Annotated[
    bool, Option("--failed", help="Retry the failed targets as well.")
]
ReasonsOption: TypeAlias = Annotated[
    list[Reason] | None,
    Option(
        "--reason",
        metavar="REASON",
        help="With --failed: only targets with this reason; may be repeated.",
    ),
]
PromoteOption: TypeAlias = Annotated[
    bool, Option("--promote", help="Begin the next wave without its pause and check.")
]


def command(
    run: RunArgument,
    failed: FailedOption = False,
    reason: ReasonsOption = None,
    promote: PromoteOption = False,
    wait: WaitOption = False,
    yes: YesOption = False,
    rate: RateOption = None,
    concurrency: ConcurrencyOption = None,
    progress: ProgressOption = None,
    quiet: QuietOption = False,  # noqa: ARG001 - the parser acts on it
    output: OutputOption = Output.TEXT,
    state_dir: StateDirOption = None,
    log_file: LogFileOption = None,
    log_max_size: LogMaxSizeOption = None,
    request_timeout: TimeoutOption = 30.0,
    workers: WorkersOption = None,
    worker_timeout: WorkerTimeoutOption = 15.0,
    metrics_file: MetricsFileOption = None,  # noqa: ARG001 - the parser acts on these three
    metrics_listen: MetricsListenOption = None,  # noqa: ARG001
    metrics_push: MetricsPushOption = None,  # noqa: ARG001
) -> None:
    """Continue a run, or retry its failed targets.

    Targets in doubt are read before anything is sent. A finished run is left as it is; a halted run
    is continued, and its failures so far are accepted. If the run has not begun, resume asks first.
    """
    load_libraries()

    from fleetpatch.campaign.settings import ApplyOptions
    from fleetpatch.cli.execute import carry_out
    from fleetpatch.cli.settings import settings_of

    settings = settings_of(
        state_dir,
        log_file,
        request_timeout,
        workers,
        worker_timeout,
        progress_every=progress,
        log_max_size=log_max_size,
    )
    reasons = reason or ()
    _check_reasons(reasons, failed=failed)
    summary = _to_resume(run, settings, reasons, failed=failed)
    options = ApplyOptions(
        resume_halted=True,
        promote=promote,
        wait_for_window=wait,
        rate=rate,
        concurrency=concurrency,
    )
    # A person must agree before a run sends for the first time, and again if it was cancelled
    # before that. A run that was paused before that was agreed to.
    is_withdrawn = summary.is_cancelled and summary.started is None
    agreed = summary.state is not RunState.PLANNED and not is_withdrawn
    carry_out(summary, settings, output, yes=yes or agreed, options=options)


def _to_resume(
    run: str, settings: "Settings", reasons: Sequence[Reason], *, failed: bool
) -> Summary:
    """Find the run, and reopen its failed targets if those are wanted."""
    from fleetpatch.campaign.servers import summarize_to_resume
    from fleetpatch.campaign.view import find_run
    from fleetpatch.cli.choose_run import to_resume
    from fleetpatch.cli.select_run import require_current_run

    path = to_resume(find_run(settings.runs, run), failed=failed)
    summary = summarize_to_resume(path)
    settings.monitor.summarized(summary)
    require_current_run(summary, settings, reopened=failed)
    return _reopen(path, settings, reasons) if failed else summary


def _check_reasons(reasons: Sequence[Reason], *, failed: bool) -> None:
    """Raise UsageError for a reason that no failed target has, or without `--failed`."""
    for one in reasons:
        if OUTCOME_OF[one] is not Outcome.FAILED:
            failures = ", ".join(r for r in Reason if OUTCOME_OF[r] is Outcome.FAILED)
            raise UsageError(f"--reason {one}: is not the reason of a failure; use {failures}")
        if not failed:
            raise UsageError(f"--reason {one}: is only for --failed; add --failed")


def _reopen(path: Path, settings: "Settings", reasons: Sequence[Reason]) -> Summary:
    """Reopen failed targets, say how many, and summarize the run."""
    from fleetpatch.campaign.running.apply import reopen_failed
    from fleetpatch.campaign.view import summarize
    from fleetpatch.report.wording import several

    number = reopen_failed(path, settings, *reasons)
    among = f" with the reason {' or '.join(reasons)}" if reasons else ""
    none = "" if number else f": the run has none{among}"
    sys.stderr.write(f"Reopened {several(number, 'failed target')}{none}.\n")
    return summarize(path)
