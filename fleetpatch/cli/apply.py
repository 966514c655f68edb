"""`fleetpatch apply`: carry out a plan file, or a run that was planned before."""

from pathlib import Path
from typing import Annotated

import typer

from fleetpatch.cli.options import (
    AllOption,
    DryRunOption,
    LogFileOption,
    Output,
    OutputOption,
    RunFileOption,
    StateDirOption,
    TimeoutOption,
    WaitOption,
    YesOption,
)
from fleetpatch.errors import UsageError


def command(
    what: Annotated[str, typer.Argument(metavar="PLAN|RUN", show_default=False)],
    yes: YesOption = False,
    digest: Annotated[
        str | None,
        typer.Option(metavar="SHA256", help="Refuse any plan but the one with this digest."),
    ] = None,
    dry_run: DryRunOption = False,
    new: Annotated[
        bool, typer.Option("--new", help="Plan again, even if an unfinished run could go on.")
    ] = False,
    wait: WaitOption = False,
    run_file: RunFileOption = None,
    everything: AllOption = False,
    output: OutputOption = Output.TEXT,
    state_dir: StateDirOption = None,
    log_file: LogFileOption = None,
    request_timeout: TimeoutOption = 30.0,
) -> None:
    """Carry out a plan file, or a run that was planned before.

    A plan file is expanded first; where a run of the very same plan is unfinished, that one goes
    on. Exit codes: 0 done, 3 some targets failed, 5 paused and can go on, 1 and 2 nothing was done.
    """
    from fleetpatch.campaign.apply import plan_lock
    from fleetpatch.campaign.servers import ServerComparison, summarize_to_resume
    from fleetpatch.campaign.settings import ApplyOptions, Settings
    from fleetpatch.campaign.view import find_run, is_plan_file
    from fleetpatch.cli.execute import carry_out
    from fleetpatch.cli.output import WarnOnce, print_warnings
    from fleetpatch.cli.select_run import new_run, require_digest, unfinished_run
    from fleetpatch.model.plan.load import load_plan

    settings = Settings(state_dir, log_file, request_timeout, warn=WarnOnce())
    options = ApplyOptions(wait_for_window=wait)
    path = Path(what)
    if is_plan_file(path):
        plan = load_plan(path)
        require_digest(plan.digest, digest, what)
        print_warnings(plan)
        servers = ServerComparison(plan.plan)
        # Locked before the run is chosen: two processes must not plan the same plan at once.
        with plan_lock(plan.plan.name, settings) as held:
            planned = None
            if not (new or run_file):
                planned = unfinished_run(plan, settings, servers, dry_run=dry_run)
            if planned is None:
                planned = new_run(
                    plan,
                    settings,
                    options,
                    servers,
                    run_file=run_file,
                    everything=everything,
                    dry_run=dry_run,
                )
            carry_out(planned, settings, output, yes=yes, held=held, options=options)
    else:
        planned = summarize_to_resume(find_run(settings.runs, what))
        require_digest(planned.info.plan_digest, digest, what)
        if new or everything or run_file:
            raise UsageError(
                f"{what}: --new, --all and --run-file are for a plan file, and this is a run, "
                "whose targets are fixed; leave them out"
            )
        if dry_run and not planned.info.dry_run:
            raise UsageError(
                f"{what}: this run was planned to be carried out, and a dry run would use it up; "
                "dry-run the plan file instead: fleetpatch apply PLAN --dry-run"
            )
        carry_out(planned, settings, output, yes=yes, options=options)
