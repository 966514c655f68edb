"""Shared by the verbs that send: expand a plan, ask, carry the run out, exit with its code.

While a plan is expanded or a run is carried out, stderr shows the progress if it is a terminal.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from fleetpatch.campaign.planning.plan import expand
from fleetpatch.campaign.running.apply import apply
from fleetpatch.campaign.running.open_run import PlanLock
from fleetpatch.campaign.settings import ApplyOptions, Settings
from fleetpatch.campaign.view import preview, summarize
from fleetpatch.cli import signals
from fleetpatch.cli.ending import Ended
from fleetpatch.cli.event_loop import interruptible, run
from fleetpatch.cli.options import Output, ResultFormat
from fleetpatch.cli.output import print_summary
from fleetpatch.cli.quiet import is_quiet
from fleetpatch.cli.streams import ResultError
from fleetpatch.errors import Exit, Locked, RunFileError, SurroundingsError, UsageError
from fleetpatch.model.plan.load import PlanFile
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.run import Summary
from fleetpatch.report.preview import QUESTION, confirmation_lines, is_yes, preview_lines
from fleetpatch.report.progress import watch_applying, watch_planning
from fleetpatch.report.summary import not_continued
from fleetpatch.report.terminal import write
from fleetpatch.report.wording import command, kept, several
from fleetpatch.rules.running.run_state import exit_code


def expand_with_progress(
    plan: Plan | PlanFile,
    settings: Settings,
    *,
    run_file: Path | None,
    everything: bool,
    dry_run: bool = False,
) -> Summary:
    """Expand a plan into a new run. Raises as `campaign.planning.plan.expand`."""
    with watch_planning(sys.stderr) as progress:
        watched = replace(settings, progress=progress)
        return run(
            lambda: expand(plan, watched, run_file=run_file, everything=everything, dry_run=dry_run)
        )


def code_of(summary: Summary) -> Exit:
    """Return the exit code of a command that carried out the run."""
    return exit_code(
        summary.state, summary.tally, partly=summary.partly, cause_code=summary.cause_code
    )


def carry_out(
    planned: Summary,
    settings: Settings,
    output: Output | ResultFormat,
    *,
    yes: bool,
    lock: PlanLock | None = None,
    options: ApplyOptions | None = None,
    code_of: Callable[[Summary], Exit] = code_of,
) -> None:
    """Ask unless `yes`, carry a run out, print its summary, and raise Ended with its code.

    `code_of` returns the exit code for a summary.

    A run that this command does not continue is only summarized, after a line that says so.
    """
    raise Ended(
        finish(planned, settings, output, yes=yes, lock=lock, options=options, code_of=code_of)
    )


def finish(
    planned: Summary,
    settings: Settings,
    output: Output | ResultFormat,
    *,
    yes: bool,
    lock: PlanLock | None = None,
    options: ApplyOptions | None = None,
    code_of: Callable[[Summary], Exit] = code_of,
    is_last: bool = True,
) -> Exit:
    """Do what `carry_out` does, and return the exit code.

    After the last run of a command the code is final, and a late signal does not change it.
    """
    options = options or ApplyOptions()
    settings.monitor.summarized(planned)
    left = not_continued(planned, resume_halted=options.resume_halted, promote=options.promote)
    if left:
        sys.stderr.write(f"{left}\n")
    if left or not planned.tally.open:
        settings = replace(settings, progress_every=0.0)
    try:
        # There is no question to ask where nothing will be sent, or nothing will be stored.
        if planned.tally.open and not left and not yes and not planned.info.dry_run:
            _confirm(planned)
        # Deferred: after the session its exit code is final, and a late signal must not replace it.
        with signals.deferred():
            summary = _apply(planned, settings, lock, options)
            settings.monitor.summarized(summary)
            code = code_of(summary)
            if is_last:
                signals.set_exit_code(code)
    except signals.Interrupted:
        sys.stderr.write(_nothing_sent(planned))
        raise
    except SurroundingsError as error:
        raise type(error)(f"{error}; {_how_far(planned)}") from error
    _print_result(summary, settings, output)
    return code


def _apply(
    planned: Summary, settings: Settings, lock: PlanLock | None, options: ApplyOptions
) -> Summary:
    """Carry the run out. Raises Interrupted if a signal was received before it began."""
    run_file = Path(planned.run_file)
    total, every = planned.tally.open, settings.progress_every
    with watch_applying(sys.stderr, total=total, run=planned.info.run, every=every) as progress:
        work = partial(
            apply, run_file, replace(settings, progress=progress), lock=lock, options=options
        )
        advice = f"; continue with `{command('resume', *planned.words)}`"
        summary = run(lambda: interruptible(lambda stop: work(stop=stop), advice))
        progress.ended(summary)
        return summary


def _print_result(summary: Summary, settings: Settings, output: Output | ResultFormat) -> None:
    """Print the summary. Raises ResultError, which says how far the run got."""
    try:
        print_summary(summary, settings, output)
        sys.stdout.flush()
    except ResultError as error:
        error.state = f"{_ended(summary)}; `{command('status', *summary.words)}` shows it"
        raise


def _how_far(planned: Summary) -> str:
    """Say how far a run got that an error of our own surroundings ended."""
    run_file = planned.run_file
    try:
        ended = _ended(summarize(run_file))
    except (Locked, RunFileError):
        return f"how far the run got cannot be read from {run_file}"
    return f"{ended}; continue with `{command('resume', *planned.words)}`"


def _ended(summary: Summary) -> str:
    """Return `run NAME: 3 of 4 targets have ended, 1 more may have been sent`."""
    tally = summary.tally
    ended = f"{tally.total - tally.open} of {several(tally.total, 'target')} have ended"
    sent = f", {tally.in_doubt} more may have been sent" if tally.in_doubt else ""
    return f"run {summary.info.run}: {ended}{sent}"


def _confirm(planned: Summary) -> None:
    """Show what would be sent, and ask. Exits unless the answer is yes."""
    view = preview(Path(planned.run_file))
    write(preview_lines(view, advise=False), sys.stderr)
    write(confirmation_lines(planned), sys.stderr)
    ask(kept=f" ({kept(planned)})", declined=_nothing_sent(planned))


def ask(*, kept: str = "", declined: str = "Nothing was sent.\n") -> None:
    """Ask whether to continue. Exits with `declined` unless the answer is yes.

    Raises UsageError if there is no terminal; `kept` is the end of its message.
    """
    if is_quiet():
        raise UsageError(f"--quiet shows no question; add --yes, or leave --quiet out{kept}")
    if not sys.stdin.isatty():
        raise UsageError(
            f"there is no terminal to ask on; use --yes to continue without a question{kept}"
        )
    sys.stderr.write(QUESTION)
    sys.stderr.flush()
    if not is_yes(_answer()):
        sys.stderr.write(declined)
        raise Ended(Exit.USAGE)


def _answer() -> str:
    """Read the answer to the question; after it, stderr begins a new line."""
    answer = ""
    try:
        answer = sys.stdin.readline()
    finally:
        # Only a line that was typed in full ends the line of the question.
        if not answer.endswith("\n"):
            sys.stderr.write("\n")
    return answer


def _nothing_sent(planned: Summary) -> str:
    return f"Nothing was sent; {kept(planned)}.\n"
