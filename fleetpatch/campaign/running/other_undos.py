"""The other undos of a run, when one of them is carried out: at most one of them goes on.

An undo was planned from what its run and the other undos had done by then. If one of these has sent
PATCHes since, the undo is outdated: what it would put back may be back already, and the value that
is there now may be another writer's. So it is refused, and planned again. For the same reason the
other unfinished undos are ended when one begins. A run that was undone is not continued either.
"""

from pathlib import Path

from fleetpatch.campaign.running.doubtful import settle_doubtful
from fleetpatch.campaign.running.log import log_latest_outcomes, open_log_of
from fleetpatch.campaign.running.open_run import open_alone
from fleetpatch.campaign.running.related_runs import tree_as_far_as_known, tree_of
from fleetpatch.campaign.settings import Settings
from fleetpatch.engine import events
from fleetpatch.errors import UsageError
from fleetpatch.journal import meta, queries
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.runs import catalog
from fleetpatch.journal.runs.catalog import RunEntry
from fleetpatch.journal.runs.undo_tree import UndoTree
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.run import RunState
from fleetpatch.report.wording import command


def require_current(
    run: RunFile, settings: Settings, *, reopened: bool = False, is_chosen: bool = False
) -> UndoTree | None:
    """Raise UsageError if a run or an undo may not be continued; return what it is related to.

    What was put back must stay so. An undo is outdated if a related run has sent PATCHes since it
    was planned; a finished one is only if its failed targets are to be `reopened`. Of a run that is
    not an undo and names none, the others need not be readable, and None is returned. They are not
    read if the run `is_chosen`: among the runs of its plan, under the lock of the plan. Raises as
    `tree_of`, and RunFileError if the planning of the run was interrupted.
    """
    run.require_sealed()
    is_over = run.state is RunState.FINISHED and not reopened
    may_be_outdated = bool(run.info.undo_of) and not is_over
    is_related = may_be_outdated or bool(meta.undone_by(run.database))
    if not is_related and (is_over or is_chosen or run.info.dry_run):
        return None
    # A copy that was made before the undo does not name it, nor does a run whose copy was undone.
    tree = tree_of(run, settings) if is_related else tree_as_far_as_known(run, settings)
    if undone := tree.undone(run.info.run):
        what = "undo" if run.info.undo_of else "run"
        raise UsageError(
            f"{run.info.run}: this {what} was undone by {undone.by} and cannot be continued; "
            f"{_advice(run, tree)}"
        )
    if may_be_outdated:
        _refuse_outdated(run, tree)
    return tree if is_related else None


def _refuse_outdated(undo: RunFile, tree: UndoTree) -> None:
    if since := tree.sent_since(undo.info.run):
        raise UsageError(
            f"{undo.info.run}: {', '.join(since)} has sent patches since this undo was planned, so"
            f" it is outdated and was not continued; {_advice(undo, tree)}"
        )


async def settle_others(run: RunFile, tree: UndoTree, settings: Settings) -> UndoTree:
    """Settle what unfinished undos of the tree have left in doubt, by reading it; return the tree.

    Later it would not be known which undo has changed it. Raises as `end_others`.
    """
    others = _begun_undos(tree, run.info.run)
    for entry in others:
        with open_alone(entry.path, settings) as journal:
            await settle_doubtful(journal, settings)
    # What they have put back is known only now.
    return tree_of(run, settings) if others else tree


async def end_others(undo: RunFile, tree: UndoTree, settings: Settings) -> UndoTree:
    """End the other unfinished undos of the tree, before this one sends anything; return the tree.

    Their targets in doubt are read first, as by `settle_others`. Raises Locked if one is carried
    out, UsageError if one has sent PATCHes in the meantime, and as `settle_doubtful`.
    """
    others = _begun_undos(tree, undo.info.run)
    for entry in others:
        await _end(entry.path, undo.info.run, settings)
    if not others:
        return tree
    # Read again, since each could change until it was locked.
    tree = tree_of(undo, settings)
    _refuse_outdated(undo, tree)
    return tree


def _begun_undos(tree: UndoTree, run: str) -> list[RunEntry]:
    """Return the other undos that are unfinished, or were cancelled."""
    undos = [one for one in tree.relatives(run) if one.undo_of]
    return [one for one in undos if one.is_started and one.state is not RunState.FINISHED]


async def _end(path: Path, since: str, settings: Settings) -> None:
    with open_alone(path, settings) as journal:
        crashed = journal.state is RunState.RUNNING
        await settle_doubtful(journal, settings)
        # Read under the lock: it may have been carried out to its end, or cancelled.
        if not catalog.read_entry(path).is_unfinished:
            return
        cause = Cause(CauseCode.CANCELLED, f"superseded by {since}")
        journal.set_state(RunState.HALTED, cause)
        with open_log_of(path, journal.info.run, settings) as log:
            if crashed:
                log_latest_outcomes(log, journal)
            events.run_finished(log, queries.summary(journal))


def _advice(run: RunFile, tree: UndoTree) -> str:
    of = run.info.undo_of
    if not of:
        return "apply its plan again, which makes a new run"
    entry = tree.entry(of)
    undo = command("undo", *(entry.words if entry else (of,)))
    return f"`{undo}` puts back what is left"
