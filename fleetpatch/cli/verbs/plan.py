"""`fleetpatch plan`: expand a plan file into a run file, and show what would change."""

from pathlib import Path
from typing import Annotated, Final

from fleetpatch.cli.ending import Ended
from fleetpatch.cli.lean_imports import load_libraries
from fleetpatch.cli.options import (
    AllOption,
    FilenameOption,
    LogFileOption,
    LogMaxSizeOption,
    PreviewFormat,
    ReasonOption,
    RunFileOption,
    SharedOption,
    StateDirOption,
    TimeoutOption,
    WorkersOption,
    WorkerTimeoutOption,
    named_once,
)
from fleetpatch.cli.parameters import Argument, Option

_CHANGES: Final = 8
"""The exit code of `plan --exit-code` if there is something to patch."""


def command(
    plan: Annotated[Path | None, Argument(metavar="PLAN")] = None,
    filename: FilenameOption = None,
    run_file: RunFileOption = None,
    everything: AllOption = False,
    namespaces: Annotated[
        bool, Option("--namespaces", help="Show every namespace, also the small ones.")
    ] = False,
    show_code: Annotated[
        bool,
        Option("--exit-code", help="End with 8 if there is something to patch, else with 0."),
    ] = False,
    output: Annotated[
        PreviewFormat,
        Option("--output", "-o", help="text; json for programs; markdown for a pull request."),
    ] = PreviewFormat.TEXT,
    reason: ReasonOption = "",
    state_dir: StateDirOption = None,
    shared: SharedOption = False,
    log_file: LogFileOption = None,
    log_max_size: LogMaxSizeOption = None,
    request_timeout: TimeoutOption = 30.0,
    workers: WorkersOption = None,
    worker_timeout: WorkerTimeoutOption = 15.0,
) -> None:
    """Expand a plan file into targets and show what would change.

    Nothing is patched. The targets are written to a run file; `apply` patches exactly those.
    """
    load_libraries()

    from fleetpatch.cli.execute import expand_with_progress
    from fleetpatch.cli.output import print_preview, print_warnings
    from fleetpatch.cli.settings import settings_of
    from fleetpatch.model.plan.load import load_plan

    loaded = load_plan(named_once(plan, filename, what="PLAN", verb="plan"))
    print_warnings(loaded)
    settings = settings_of(
        state_dir,
        log_file,
        request_timeout,
        workers,
        worker_timeout,
        reason=reason,
        shared=shared,
        log_max_size=log_max_size,
    )
    planned = expand_with_progress(loaded, settings, run_file=run_file, everything=everything)
    print_preview(planned, output, all_namespaces=namespaces)
    if show_code and planned.tally.open:
        raise Ended(_CHANGES)
