"""What the verbs that send have in common: ask, carry out, tell, and the exit code.

What every verb that plans has in common: the survey, watched where somebody watches.

A run's summary on stdout: what `apply` ends with, and what `status` shows.
"""

import json
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import typer

from fleetpatch.campaign.apply import PlanLock, apply
from fleetpatch.campaign.plan import expand
from fleetpatch.campaign.settings import ApplyOptions, Settings
from fleetpatch.campaign.view import preview
from fleetpatch.cli import signals
from fleetpatch.cli.options import Output
from fleetpatch.cli.running import interruptible, run
from fleetpatch.cli.streams import unless_nobody_listens
from fleetpatch.errors import Exit, UsageError
from fleetpatch.model.plan.load import PlanFile
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.run import Summary, as_json
from fleetpatch.report.preview import QUESTION, confirmation_lines, is_yes, preview_lines
from fleetpatch.report.progress import watch_applying, watch_planning
from fleetpatch.report.summary import summary_lines
from fleetpatch.report.terminal import write
from fleetpatch.rules.running.run_state import exit_code


def carry_out(
    planned: Summary,
    settings: Settings,
    output: Output,
    *,
    yes: bool,
    held: PlanLock | None = None,
    permits: ApplyOptions | None = None,
) -> None:
    """Carry out a run, after asking where there is something to send; exits with its code."""
    try:
        if planned.tally.open and not yes:
            _confirm(planned)
        # A signal that comes between the session and its exit code changes nothing any more.
        with signals.deferred():
            summary = _session(planned, settings, held, permits)
            code = exit_code(summary.state, summary.tally, partly=summary.partly)
            signals.settle(code)
    except signals.Interrupted:
        sys.stderr.write(f"Nothing was sent. The plan is kept: {planned.run_file}\n")
        raise
    with unless_nobody_listens():
        tell(summary, settings, output)
        sys.stdout.flush()
    raise typer.Exit(code)


def _session(
    planned: Summary, settings: Settings, held: PlanLock | None, permits: ApplyOptions | None
) -> Summary:
    """Carry the run out. Raises Interrupted where a signal came before it began."""
    run_file = Path(planned.run_file)
    with watch_applying(sys.stderr, total=planned.tally.open) as progress:
        carry = partial(
            apply, run_file, replace(settings, progress=progress), held=held, permits=permits
        )
        return run(lambda: interruptible(lambda stop: carry(stop=stop)))


def _confirm(planned: Summary) -> None:
    write(preview_lines(preview(Path(planned.run_file)), advise=False), sys.stderr)
    write(confirmation_lines(planned), sys.stderr)
    if not sys.stdin.isatty():
        raise UsageError(
            "there is no terminal to ask on; say --yes to go on without asking "
            f"(the plan is kept: {planned.run_file})"
        )
    sys.stderr.write(QUESTION)
    sys.stderr.flush()
    if not is_yes(sys.stdin.readline()):
        sys.stderr.write(f"Nothing was sent. The plan is kept: {planned.run_file}\n")
        raise typer.Exit(Exit.USAGE)


def expand_watched(
    plan: Plan | PlanFile,
    settings: Settings,
    *,
    run_file: Path | None,
    everything: bool,
    dry_run: bool = False,
) -> Summary:
    """Expand a plan, with progress on a terminal. Raises as `expand`."""
    with watch_planning(sys.stderr) as progress:
        watched = replace(settings, progress=progress)
        return run(
            lambda: expand(plan, watched, run_file=run_file, everything=everything, dry_run=dry_run)
        )


def tell(summary: Summary, settings: Settings, output: Output) -> None:
    """Print a run's summary on stdout."""
    if output is Output.JSON:
        typer.echo(json.dumps(as_json(summary)))
    else:
        log_file = str(settings.log_of(Path(summary.run_file)))
        write(summary_lines(summary, log_file=log_file), sys.stdout)
