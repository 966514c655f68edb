"""The summary of a run as text, and the table of all runs (`status` without a run)."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fleetpatch.model.cause import CauseCode
from fleetpatch.model.outcome import Outcome, Reason
from fleetpatch.model.run import UNFINISHED, RunInfo, RunState, Summary, Tally
from fleetpatch.model.text import clean
from fleetpatch.report.runs import state_of
from fleetpatch.report.table import TableRow, table
from fleetpatch.report.verification import verification_line
from fleetpatch.report.wording import STATE, command, duration, meaning, number, several

_IN_DOUBT = "claimed, and not known to be sent or not; they are read before anything is sent"
_REASON_WIDTH = max(map(len, Reason))


def summary_lines(summary: Summary, *, log_file: str | None = None) -> Iterator[str]:
    """Yield state, outcomes with their reasons, usage, files, and the next commands."""
    yield from head_lines(summary)
    yield ""
    yield from outcome_lines(summary)
    yield from foot_lines(summary, log_file=log_file)


def head_lines(summary: Summary, *, is_live: bool = False) -> Iterator[str]:
    """Yield the state and its cause; `is_live` is known where a session reports the run."""
    yield _headline(summary, is_live=is_live)
    if summary.cause:
        code = f" ({clean(summary.cause_code)})" if summary.cause_code else ""
        yield f"Cause: {clean(summary.cause)}{code}"
    if summary.outdated:
        yield (
            "Warning: this file was copied while it was written, without its -wal file; it shows "
            "an earlier state of the run; copy both files to see the latest"
        )
    for label, text in notes_of(summary.info):
        yield f"{label + ':':<10}{text}"


def foot_lines(
    summary: Summary, *, log_file: str | None = None, is_live: bool = False
) -> Iterator[str]:
    """Yield usage, warnings, files, and the next commands."""
    # A run file of which the planning was interrupted has no usage.
    if summary.usage.elapsed:
        yield ""
        yield _usage(summary)
    yield from warning_lines(summary)
    if summary.verification is not None:
        yield ""
        yield verification_line(summary.verification)
    yield ""
    yield f"Run file: {clean(summary.run_file)}"
    if log_file is not None:
        yield f"Log:      {clean(log_file)}"
    if summary.info.undo_of:
        yield f"Undoes:   {clean(summary.info.undo_of)}"
    if summary.undone_by:
        status = command("status", summary.undone_by, *summary.words[1:])
        part = "in part, " if summary.undone_in_part else ""
        yield f"Undone:   {part}by {clean(summary.undone_by)}  ({status} shows its state)"
    yield from _steer(summary) if is_live else _next(summary)


def notes_of(info: RunInfo) -> Iterator[tuple[str, str]]:
    """Yield what people wrote about the run, and the clusters that it leaves out, with labels."""
    if info.description:
        yield "About", clean(info.description)
    for key, value in info.annotations.items():
        yield "Note", f"{clean(key)}: {clean(value)}"
    if info.reason:
        yield "Reason", clean(info.reason)
    for name, why in info.missing.items():
        yield "Missing", f"{clean(name)}: {clean(why)}"


def warning_lines(summary: Summary) -> Iterator[str]:
    """Yield the warnings of the servers with their counts, if there are any."""
    if summary.warnings:
        yield ""
        yield "Warnings from the servers:"
        for text, count in summary.warnings.items():
            yield f"{number(count):>20}  {clean(text)}"


def _headline(summary: Summary, *, is_live: bool) -> str:
    tally, info = summary.tally, summary.info
    dry = f"; {_rehearsed(tally)}" if info.dry_run else ""
    ends = [several(tally.total, "target")]
    if tally.failed:
        ends.append(f"{number(tally.failed)} failed")
    if tally.open:
        ends.append(f"{number(tally.open)} pending")
    state = "being applied" if is_live else STATE[summary.state]
    if summary.is_cancelled:
        state = "cancelled"
    return f"Run {clean(info.run)} is {state}: {', '.join(ends)}{dry}."


def _rehearsed(tally: Tally) -> str:
    return (
        f"{several(tally.applied, 'object')} would be patched (dry run: the servers stored nothing)"
    )


def outcome_lines(summary: Summary) -> Iterator[str]:
    """Yield the number of targets of each outcome, with the reasons."""
    tally = summary.tally
    for outcome, count in (
        (Outcome.APPLIED, tally.applied),
        (Outcome.UNCHANGED, tally.unchanged),
        (Outcome.SKIPPED, tally.skipped),
        (Outcome.FAILED, tally.failed),
    ):
        yield _figure(outcome, count)
        for reason, cases in summary.reasons.get(outcome, {}).items():
            yield _explained(reason, cases, meaning(reason, undo=bool(summary.info.undo_of)))
    yield _figure("pending", tally.open)
    if tally.in_doubt:
        yield _explained("in-doubt", tally.in_doubt, _IN_DOUBT)


def _figure(outcome: str, count: int) -> str:
    return f"{outcome:<10}{number(count):>10}"


def _explained(reason: str, count: int, meaning: str) -> str:
    return f"    {reason:<{_REASON_WIDTH}}{number(count):>10}  {meaning}"


def _usage(summary: Summary) -> str:
    usage = summary.usage
    # The rate is that of the rest.
    planning = f", of which planning took {duration(summary.planning)}" if summary.planning else ""
    return (
        f"Tried {number(usage.patch)} PATCH, {number(usage.get)} GET and {number(usage.list)} LIST "
        f"requests, {number(usage.retries)} of them retries, in {duration(usage.elapsed)}"
        f"{planning} ({number(summary.rate)} PATCH/s)."
    )


def _steer(summary: Summary) -> Iterator[str]:
    """Yield the commands that steer a live run."""
    words = summary.words
    yield f"Next:     {command('pace', *words, '--rate', '50/s')}  (changes the pace)"
    yield f"Next:     {command('pause', *words)}  (`resume` continues it)"


def _next(summary: Summary) -> Iterator[str]:
    if summary.tally.failed:
        yield f"Next:     {_failures(summary)}"
    elif summary.tally.total:
        yield f"More:     {command('targets', *summary.words)}"
    if summary.state is RunState.PLANNING:
        again = "plan again"
        if of := summary.info.undo_of:
            again = f"plan it again with `{command('undo', of, *summary.words[1:])}`"
        yield f"Next:     {again}; this file can be deleted"
    elif step := _continuing(summary):
        yield f"Next:     {step}"


class Step(NamedTuple):
    """A command that may follow, and what it does."""

    command: str
    effect: str

    def __str__(self) -> str:
        return f"{self.command}  ({self.effect})"


def steps(summary: Summary) -> Iterator[Step]:
    """Yield the commands that go on with a run, or put it back."""
    words, info = summary.words, summary.info
    if summary.tally.failed:
        yield _failures(summary)
        yield Step(command("resume", *words, "--failed"), "tries the failed targets again")
    if summary.verification is not None and summary.verification.reverted and not summary.undone_by:
        targets = command("targets", *words, "--verified", "reverted")
        yield Step(targets, "lists what was put back since; `apply` of the plan changes it again")
    if step := _continuing(summary):
        yield step
    stands = not summary.undone_by or summary.undone_in_part
    has_changed = summary.may_have_changed and not info.dry_run and stands
    if has_changed and not summary.is_cancelled:
        yield _undo(summary)


def _failures(summary: Summary) -> Step:
    targets = command("targets", *summary.words, "--outcome", "failed")
    return Step(targets, "what failed, and why")


def _undo(summary: Summary) -> Step:
    return Step(command("undo", *summary.words), "puts back what the run changed")


def _undo_of_rest(undo: Summary) -> Step:
    # Undos are planned again, and the undo of an undo would bring the change back.
    return Step(command("undo", undo.info.undo_of, *undo.words[1:]), "puts back what is left")


def _continuing(summary: Summary) -> Step | None:
    """Return the command that continues an unfinished run; None if there is nothing to continue."""
    resume = command("resume", *summary.words)
    if not summary.tally.open:
        return Step(resume, "verifies the run") if _is_unverified(summary) else None
    if summary.state not in UNFINISHED:
        return None
    rest = "continues with the pending targets"
    if summary.is_cancelled:
        return _undo_of_rest(summary) if summary.info.undo_of else _undo(summary)
    if summary.state is RunState.PLANNED:
        return Step(command("apply", *summary.words), "begins the run")
    if summary.awaits_promotion:
        return Step(f"{resume} --promote", "begins the next wave")
    if summary.state is RunState.HALTED and not summary.tally.failed:
        # Without a failure it was the check of a wave that halted the run.
        return Step(resume, f"repeats the check, and {rest}")
    if summary.state is RunState.HALTED:
        return Step(resume, f"{rest}, and accepts the failures so far")
    return Step(resume, rest)


def _is_unverified(summary: Summary) -> bool:
    """Report whether a run whose targets have all ended is still to be verified, or again."""
    is_paused = summary.state is RunState.PAUSED
    return is_paused or summary.cause_code == CauseCode.MAX_REVERTED


def not_continued(summary: Summary, *, resume_halted: bool, promote: bool) -> str:
    """Say why a run is not continued, and what continues it; empty if it is continued.

    `resume_halted` and `promote` are what the command asks for.
    """
    run, words = clean(summary.info.run), summary.words
    if summary.state is RunState.FINISHED:
        retry = f"; `{command('resume', *words, '--failed')}` retries the failed targets"
        return f"Run {run} is finished; nothing was sent{retry if summary.tally.failed else ''}."
    if summary.is_cancelled and not resume_halted:
        resume = command("resume", *words)
        return f"Run {run} is cancelled, and is continued only by `{resume}`."
    if summary.awaits_promotion and not promote:
        resume = command("resume", *words, "--promote")
        return f"Run {run} is not continued: its next wave begins only with `{resume}`."
    if summary.state is RunState.HALTED and not resume_halted:
        return f"Run {run} is halted, and is continued only by `{command('resume', *words)}`."
    return ""


_HEADER = (
    "RUN",
    "PLAN",
    "STATE",
    "TARGETS",
    "APPLIED",
    "UNCHANGED",
    "SKIPPED",
    "FAILED",
    "PENDING",
    "CREATED",
)


def run_lines(summaries: Iterable[Summary]) -> Iterator[str]:
    """Yield a table with a row for each run, in the order given."""
    return table(_HEADER, map(_row, summaries))


def _row(summary: Summary) -> TableRow:
    tally, info = summary.tally, summary.info
    return (
        info.run,
        info.plan_name,
        state_of(summary),
        tally.total,
        tally.applied,
        tally.unchanged,
        tally.skipped,
        tally.failed,
        tally.open,
        info.created_at,
    )
