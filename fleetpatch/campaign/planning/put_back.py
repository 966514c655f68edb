"""Which objects of a run are put back, so that an undo of it leaves them out.

The runs of a tree change an object one after another: an undo is outdated as soon as a related run
has sent something (`fleetpatch.campaign.running.other_undos`). So their order is that of planning.
"""

from collections.abc import Sequence

from fleetpatch.journal import queries
from fleetpatch.journal.runfile import RunFile
from fleetpatch.journal.runs.catalog import RunEntry
from fleetpatch.journal.runs.undo_tree import UndoTree
from fleetpatch.journal.unread import ObjectId
from fleetpatch.model.outcome import Outcome


def objects_put_back(tree: UndoTree, run: str) -> set[ObjectId]:
    """Return the objects on which the change of a run does not stand any more.

    A related run that was planned later has changed them. If that was the undo of an undo of the
    run, and so on, the change stands again. An undo of the run may also have found them back.
    """
    found, standing = set[ObjectId](), {one.run for one in tree.standing(run)}
    for one in tree.later(run):
        changed = _ended(one, (Outcome.APPLIED,))
        depth = tree.depth(one.run, below=run)
        if depth is not None and depth % 2 == 0:
            found -= changed
            continue
        found |= changed
        # After the undo of an undo the run may have gone on, and changed what that one found back.
        if one.run in standing:
            found |= _ended(one, (Outcome.UNCHANGED,))
    return found


def _ended(entry: RunEntry, outcomes: Sequence[Outcome]) -> set[ObjectId]:
    with RunFile.open(entry.path, check=False) as journal:
        return {one for outcome in outcomes for one in queries.ended_objects(journal, outcome)}
