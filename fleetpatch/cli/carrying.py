"""What the verbs that send have in common: ask, carry out, tell, and the exit code."""

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import typer

from fleetpatch.campaign.applying import PlanLock, apply
from fleetpatch.campaign.permits import Permits
from fleetpatch.campaign.settings import Settings
from fleetpatch.campaign.viewing import preview
from fleetpatch.cli import signals
from fleetpatch.cli.options import Output
from fleetpatch.cli.running import interruptible, run
from fleetpatch.cli.streams import unless_nobody_listens
from fleetpatch.cli.telling import tell
from fleetpatch.errors import Exit, UsageError
from fleetpatch.model.run import Summary
from fleetpatch.report.confirm import QUESTION, confirmation_lines, is_yes
from fleetpatch.report.preview import preview_lines
from fleetpatch.report.progress import watch_applying
from fleetpatch.report.terminal import write
from fleetpatch.rules.ending import exit_code


def carry_out(
    planned: Summary,
    settings: Settings,
    output: Output,
    *,
    yes: bool,
    held: PlanLock | None = None,
    permits: Permits | None = None,
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
    planned: Summary, settings: Settings, held: PlanLock | None, permits: Permits | None
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
