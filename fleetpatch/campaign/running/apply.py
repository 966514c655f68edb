"""Applies a run file: takes the locks, opens the log, and runs a session."""

from contextlib import ExitStack
from pathlib import Path

from msgspec.structs import replace

from fleetpatch.campaign.integrity import plan_of
from fleetpatch.campaign.running.check_command import require_check_program
from fleetpatch.campaign.running.log import open_log_of
from fleetpatch.campaign.running.open_run import PlanLock, open_for_writing
from fleetpatch.campaign.running.other_undos import end_others, require_current
from fleetpatch.campaign.running.related_runs import tree_of
from fleetpatch.campaign.running.session import Session
from fleetpatch.campaign.running.traces import note_end, run_span
from fleetpatch.campaign.running.undone import note_all, noted_in_undone
from fleetpatch.campaign.running.waves import awaits_a_wave
from fleetpatch.campaign.servers import require_same_servers
from fleetpatch.campaign.settings import ApplyOptions, Settings, Stop
from fleetpatch.engine import events
from fleetpatch.errors import FleetpatchError
from fleetpatch.journal import queries
from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.outcome import Reason
from fleetpatch.model.run import RunState, Summary


async def apply(
    run_file: Path | str,
    settings: Settings | None = None,
    *,
    stop: Stop | None = None,
    lock: PlanLock | None = None,
    options: ApplyOptions | None = None,
) -> Summary:
    """Patch every open target of `run_file`.

    Targets that an earlier session left in doubt are read before anything is sent. A finished run
    is left as it is, and so is a halted run, unless `options` resume it. `lock` is the lock of the
    plan, if the caller holds it.

    Raises Locked, RunFileError, LogError and KubeconfigError, and UsageError if the run was planned
    on other servers than its plan leads to now, was undone, or is an undo that is outdated. What
    servers refuse is in the summary instead.
    """
    run_file, settings = Path(run_file), settings or Settings()
    options = options or ApplyOptions()
    with open_for_writing(run_file, settings, lock) as journal:
        summary = queries.summary(journal)
        if summary.state is RunState.FINISHED or (
            summary.state is RunState.HALTED and not options.resume_halted
        ):
            if journal.info.undo_of and summary.state is RunState.FINISHED:
                _note_finished(journal, settings)
            # One line for a nightly call that had nothing to do.
            with open_log_of(run_file, journal.info.run, settings) as log:
                events.run_finished(log, summary)
            return summary
        # Read again under the lock: it may have been undone, or become outdated, since.
        tree = require_current(journal, settings, is_chosen=lock is not None)
        # Now, and not when a wave has been sent.
        if awaits_a_wave(journal):
            require_check_program(journal.info, plan_of(journal))
        if summary.state is RunState.HALTED:
            require_same_servers(journal.info, plan_of(journal))
            # A person who resumes a halted run has seen the failures and accepts them.
            journal.accept_failures(summary.tally.failed)
        if settings.reason:
            journal.set_reason(settings.reason)
        with ExitStack() as stack:
            if tree:
                if journal.info.undo_of:
                    tree = await end_others(journal, tree, settings)
                # Notes of undos that have put back nothing, as is known by now, would stay.
                note_all(journal, tree, settings)
                if journal.info.undo_of:
                    stack.enter_context(noted_in_undone(journal, tree, settings))
            log = stack.enter_context(open_log_of(run_file, journal.info.run, settings))
            span = stack.enter_context(run_span(journal.info, settings))
            settings = replace(settings, span=span)
            summary = await Session(journal, summary, settings, log, stop or Stop(), options).run()
            note_end(span, summary)
            return summary


def _note_finished(undo: RunFile, settings: Settings) -> None:
    """Note what a finished undo has put back: its process may have been killed before it did."""
    try:
        note_all(undo, tree_of(undo, settings), settings)
    except FleetpatchError as error:
        settings.warn(f"{error}: what the undo has put back cannot be noted")


def reopen_failed(run_file: Path, settings: Settings, *reasons: Reason) -> int:
    """Reopen failed targets, all or those with one of `reasons`; return their number.

    After a halt the other failures are accepted; reopened targets count when they fail again.
    Raises Locked, RunFileError, KubeconfigError, and UsageError if the run was planned on other
    servers than its plan leads to now, was undone, or is an undo that is outdated.
    """
    with open_for_writing(run_file, settings) as journal:
        require_current(journal, settings, reopened=True)
        require_same_servers(journal.info, plan_of(journal))
        # Read before `reopen`, which changes the state.
        halted, accepted = journal.state is RunState.HALTED, journal.accepted_failures
        number = journal.reopen(*reasons)
        failed = queries.summary(journal).tally.failed
        journal.accept_failures(failed if halted else min(accepted, failed))
        return number
