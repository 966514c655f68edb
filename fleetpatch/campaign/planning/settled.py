"""Which objects of a run an undo of it leaves out, since an earlier undo has settled them.

The runs of a tree change an object one after another: an undo is outdated as soon as a related run
has sent something (`fleetpatch.campaign.running.other_undos`). So their order is that of planning.
"""

from collections.abc import Sequence

from fleetpatch.journal import queries, versions
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.runs.catalog import RunEntry
from fleetpatch.journal.runs.undo_tree import UndoTree
from fleetpatch.journal.unread import ObjectId
from fleetpatch.model.outcome import Outcome


def objects_settled(tree: UndoTree, run: str) -> set[ObjectId]:
    """Return the objects that earlier undos of a run have settled in any way but `failed`.

    What one of them has put back is changed again if it was undone itself, and so on. What it found
    back or drifted is another writer's since then, whatever its value is now, unless the run has
    changed it later. Related runs that undo something else count as far as they have changed an
    object of the run.
    """
    found, undos, entry = set[ObjectId](), tree.later(run), tree.entry(run)
    left = _left(entry) if entry and undos else {}
    for one in undos:
        depth = tree.depth(one.run, below=run)
        with RunFile.open(one.path, check=False) as undo:
            changed = _ended(undo, (Outcome.APPLIED,))
            if depth is None:
                found |= changed
            elif depth % 2 == 0:
                found -= changed
            else:
                looked_at = _ended(undo, (Outcome.UNCHANGED, Outcome.SKIPPED))
                found |= changed | (looked_at - _changed_since(undo, left if depth == 1 else {}))
    return found


def _changed_since(undo: RunFile, left: dict[ObjectId, str]) -> set[ObjectId]:
    """Return the objects that a run has changed after an undo of it found them back or drifted.

    It may go on if the undo sent nothing, or was undone. `left` are the versions in which it has
    left its objects by now.
    """
    known = versions.found(undo).items() if left else ()
    return {one for one, version in known if left.get(one, version) != version}


def _left(run: RunEntry) -> dict[ObjectId, str]:
    with RunFile.open(run.path, check=False) as journal:
        return versions.left(journal)


def _ended(undo: RunFile, outcomes: Sequence[Outcome]) -> set[ObjectId]:
    return {one for outcome in outcomes for one in queries.ended_objects(undo, outcome)}
