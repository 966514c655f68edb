"""The other undos of a run, when one of them is carried out: at most one of them goes on.

An undo was planned from what its run and the other undos had done by then. If one of these has sent
PATCHes since, the undo is outdated: what it would put back may be back already, and the value that
is there now may be another writer's. So it is refused, and planned again. For the same reason the
other unfinished undos are ended when one begins.
"""

from pathlib import Path

import msgspec

from fleetpatch import files
from fleetpatch.campaign.running.doubtful import settle_doubtful
from fleetpatch.campaign.running.log import log_latest_outcomes, open_log_of
from fleetpatch.campaign.running.open_run import open_alone
from fleetpatch.campaign.settings import Settings
from fleetpatch.engine import events
from fleetpatch.errors import UsageError
from fleetpatch.journal import meta, queries
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.runs import campaigns, catalog
from fleetpatch.journal.runs.catalog import RunEntry
from fleetpatch.journal.runs.undo_tree import Activity, UndoTree
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.run import RunInfo, RunState
from fleetpatch.report.wording import command

_Activities = dict[str, Activity]


def tree_of(run: RunFile, settings: Settings) -> UndoTree:
    """Read the runs and the undos that are related to an open run. Raises as `campaigns.read`."""
    return _read_tree(run.path, run.info, meta.file_of_undone(run.database), settings)


def note_relatives(undo: RunFile, tree: UndoTree) -> None:
    """Note in a new undo how far its run and the other undos are, within a transaction."""
    # The tree was read before: the new undo is not in it, so the run that it undoes is asked.
    of = undo.info.undo_of
    entry = tree.entry(of)
    known = tree.activity(of) | ({of: tree.activity_of(entry)} if entry else {})
    meta.note_relatives(undo.database, msgspec.json.encode(known))


def outdated_by(undo: Path, tree: UndoTree) -> list[str]:
    """Return the runs that have sent PATCHes since this undo was planned."""
    with RunFile.open(undo, check=False) as journal:
        return tree.sent_since(journal.info.run, _known(journal))


def require_current(undo: RunFile, settings: Settings) -> UndoTree:
    """Raise UsageError if an undo may not be continued; return the runs that it is related to.

    It is outdated if a related run has sent PATCHes since it was planned; and what an undo of its
    own has put back must stay so.
    """
    tree = tree_of(undo, settings)
    run, of = undo.info.run, undo.info.undo_of
    if undone := tree.undone(run):
        raise UsageError(
            f"{run}: this undo was undone by {undone.by} and cannot be continued; "
            f"`{_undo_of(of, tree)}` puts back what is left"
        )
    if since := tree.sent_since(run, _known(undo)):
        raise UsageError(
            f"{run}: {', '.join(since)} has sent patches since this undo was planned, so it is "
            f"outdated and was not continued; `{_undo_of(of, tree)}` puts back what is left"
        )
    return tree


async def settle_others(tree: UndoTree, run: str, settings: Settings) -> None:
    """Settle what unfinished undos of the tree have left in doubt, by reading it.

    Later it would not be known which undo has changed it. Raises as `end_others`.
    """
    for entry in _begun_undos(tree, run):
        with open_alone(entry.path, settings) as journal:
            await settle_doubtful(journal, settings)


async def end_others(undo: RunFile, tree: UndoTree, settings: Settings) -> None:
    """End the other unfinished undos of the tree, before this one sends anything.

    Their targets in doubt are read first, as by `settle_others`.
    Raises Locked if one is carried out, and as `settle_doubtful`.
    """
    for entry in _begun_undos(tree, undo.info.run):
        await _end(entry, undo.info.run, settings)


def _begun_undos(tree: UndoTree, run: str) -> list[RunEntry]:
    """Return the other undos that are unfinished, or were cancelled."""
    undos = [one for one in tree.relatives(run) if one.undo_of]
    return [one for one in undos if one.is_started and one.state is not RunState.FINISHED]


async def _end(entry: RunEntry, since: str, settings: Settings) -> None:
    with open_alone(entry.path, settings) as journal:
        crashed = journal.state is RunState.RUNNING
        await settle_doubtful(journal, settings)
        if not entry.is_unfinished:  # cancelled, perhaps after its process was killed
            return
        cause = Cause(CauseCode.CANCELLED, f"superseded by {since}")
        journal.set_state(RunState.HALTED, cause)
        with open_log_of(entry.path, entry.run, settings) as log:
            if crashed:
                log_latest_outcomes(log, journal)
            events.run_finished(log, queries.summary(journal))


def _read_tree(path: Path, info: RunInfo, file_of_undone: str, settings: Settings) -> UndoTree:
    entries = dict[str, RunEntry]()
    noted = [Path(file_of_undone)] if file_of_undone else []
    places = (settings.runs, path.parent, *(one.parent for one in noted))
    folders = dict.fromkeys(one.resolve() for one in places if one.is_dir())
    for folder in folders:
        entries |= {one.run: one for one in campaigns.related(folder, info)}
    # The run and what it undoes may lie in other folders, have names that a person gave them, or
    # have copies beside them.
    for one in (path, *noted):
        if files.is_regular(one):
            entry = catalog.read_entry(one)
            entries[entry.run] = entry
    # Undos in other folders. What is found may name a further one.
    unread = list(entries.values())
    while unread:
        entry = unread.pop()
        if entry.undone_by not in entries and files.is_regular(file := Path(entry.file_of_undo)):
            undo = catalog.read_entry(file)
            if undo.run == entry.undone_by:
                entries[undo.run] = undo
                unread.append(undo)
    return UndoTree(entries.values())


def _known(undo: RunFile) -> _Activities | None:
    noted = meta.relatives(undo.database)
    return None if noted is None else msgspec.json.decode(noted, type=_Activities)


def _undo_of(run: str, tree: UndoTree) -> str:
    entry = tree.entry(run)
    return command("undo", *(entry.words if entry else (run,)))
