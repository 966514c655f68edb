"""`fleetpatch apply`: carry out a plan file, or a run that was planned before."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from fleetpatch.campaign.apply import plan_lock
from fleetpatch.campaign.plan import require_open_window
from fleetpatch.campaign.servers import Whereabouts, summarize_to_go_on
from fleetpatch.campaign.settings import ApplyOptions, Settings
from fleetpatch.campaign.view import find_run, is_plan_file, summarize
from fleetpatch.cli.execute import carry_out, expand_watched
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
from fleetpatch.cli.running import interruptible, run
from fleetpatch.cli.warnings import WarnOnce, show_warnings
from fleetpatch.errors import NothingMatched, UsageError
from fleetpatch.journal import locator
from fleetpatch.model.plan.load import PlanFile, load_plan
from fleetpatch.model.run import Summary


def command(
    what: Annotated[str, typer.Argument(metavar="PLAN|RUN", show_default=False)],
    yes: YesOption = False,
    digest: Annotated[
        str | None,
        typer.Option(metavar="SHA256", help="Refuse any plan but the one with this digest."),
    ] = None,
    dry_run: DryRunOption = False,
    new: Annotated[
        bool, typer.Option("--new", help="Plan anew, even if an unfinished run could go on.")
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
    settings = Settings(state_dir, log_file, request_timeout, warn=WarnOnce())
    path = Path(what)
    if is_plan_file(path):
        plan = load_plan(path)
        _check(plan.digest, digest, what)
        show_warnings(plan)
        permits = ApplyOptions(patient=wait)
        servers = Whereabouts(plan.plan)
        with plan_lock(plan.plan.name, settings) as held:
            planned = None
            if not (new or run_file):
                planned = _unfinished(plan, settings, servers, dry_run=dry_run)
            if planned is None:
                planned = _plan(
                    plan,
                    settings,
                    permits,
                    servers,
                    run_file=run_file,
                    everything=everything,
                    dry_run=dry_run,
                )
            carry_out(planned, settings, output, yes=yes, held=held, permits=permits)
    else:
        planned = summarize_to_go_on(find_run(settings.runs, what))
        _check(planned.info.plan_digest, digest, what)
        if new or everything or run_file:
            raise UsageError(
                f"{what}: --new, --all and --run-file are for a plan file, and this is a run, "
                "whose targets are fixed; leave them out"
            )
        if dry_run and not planned.info.dry_run:
            raise UsageError(
                f"{what}: this run was planned to be carried out, and a rehearsal would use it up; "
                "rehearse the plan file instead: fleetpatch apply PLAN --dry-run"
            )
        carry_out(planned, settings, output, yes=yes, permits=ApplyOptions(patient=wait))


def _check(found: str, wanted: str | None, what: str) -> None:
    if wanted is not None and wanted.removeprefix("sha256:") != found.removeprefix("sha256:"):
        raise UsageError(
            f"{what}: its digest is {found}, not {wanted}: it is not the plan that was reviewed; "
            "read it again and give its new digest"
        )


def _unfinished(
    plan: PlanFile, settings: Settings, servers: Whereabouts, *, dry_run: bool
) -> Summary | None:
    """Find the unfinished run of the plan on the servers that it leads to now."""
    runs, here = settings.runs, servers.are_those_of
    unfinished = locator.unfinished(runs, plan.digest, dry_run=dry_run)
    found = [entry for entry in unfinished if entry.info and here(entry.info)]
    if not found or locator.finished(runs, plan.digest, dry_run=dry_run, here=here):
        # A newer run that is finished has taken up whatever an older one left open.
        _refuse_changed(plan, settings, servers)
        if not found and unfinished:
            _say_why_not(unfinished[0], servers)
        return None
    planned = summarize(found[0].path)
    sys.stderr.write(f"Going on with the unfinished run {found[0].run} (--new plans anew).\n")
    return planned


def _plan(
    plan: PlanFile,
    settings: Settings,
    permits: ApplyOptions,
    servers: Whereabouts,
    *,
    run_file: Path | None,
    everything: bool,
    dry_run: bool,
) -> Summary:
    """Expand the plan; where nothing matches since it was carried out, give the run that did it."""
    if not dry_run:
        run(
            lambda: interruptible(
                lambda stop: require_open_window(plan.plan, settings, permits, stop)
            )
        )
    try:
        return expand_watched(
            plan, settings, run_file=run_file, everything=everything, dry_run=dry_run
        )
    except NothingMatched:
        # A plan that changes what it selects on matches nothing once it has been carried out.
        here = servers.are_those_of
        done = locator.finished(settings.runs, plan.digest, dry_run=dry_run, here=here)
        if done is None:
            raise
    sys.stderr.write(f"Nothing matches the plan any more: the run {done.run} has done it all.\n")
    return summarize(done.path)


def _say_why_not(elsewhere: locator.RunEntry, servers: Whereabouts) -> None:
    """Say why a run of the plan is not the one to go on with."""
    if elsewhere.info is not None:
        difference = servers.difference(elsewhere.info)
        sys.stderr.write(
            f"Not going on with the unfinished run {elsewhere.run}: {difference}; planning again.\n"
        )


def _refuse_changed(plan: PlanFile, settings: Settings, servers: Whereabouts) -> None:
    """An edited plan must not start beside the unfinished run of what it was before."""
    started = locator.started(settings.runs, plan.plan.name, here=servers.overlap)
    if started is None or started.info is None or started.info.plan_digest == plan.digest:
        return
    raise UsageError(
        f"{plan.file}: the plan was changed while its run {started.run} is unfinished: its digest "
        f"is {plan.digest}, the run's is {started.info.plan_digest}; go on with that one "
        f"(`fleetpatch resume {started.run}`), undo it, or say --new to leave it as it is"
    )
