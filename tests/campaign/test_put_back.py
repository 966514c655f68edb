"""Which objects an undo leaves out, since they are put back already.

Left out: the tree itself (tests/journal/test_undo_tree.py), and commands
(tests/e2e/test_unfinished_undos.py).
"""

from pathlib import Path

import pytest
from msgspec.structs import replace

from fleetpatch.campaign.planning.put_back import objects_put_back
from fleetpatch.journal.runs.undo_tree import UndoTree
from fleetpatch.model.outcome import Reason
from fleetpatch.model.run import RunState
from tests.journal.makers import draft, info, make, settle
from tests.journal.test_undo_tree import RUN, entry, undo_name

CHANGED, FOUND_BACK = "job-a", "job-b"


def tree_of(folder: Path, *parents: str) -> UndoTree:
    """A run, and undos of these: each changes one object, and finds another one back."""
    entries = [entry(RUN)]
    for number, parent in enumerate(parents, 1):
        path = folder / f"{number}.run"
        facts = replace(info(undo_name(number)), undo_of=parent)
        with make(path, [draft(CHANGED), draft(FOUND_BACK)], facts) as undo:
            for reason in (Reason.PATCHED, Reason.ALREADY_SET):
                undo.record(settle(undo.claim("north", limit=1), reason))
        entries.append(replace(entry(undo_name(number), parent, RunState.FINISHED), path=path))
    return UndoTree(entries)


@pytest.mark.parametrize(
    ("parents", "left_out"),
    [
        ([], set()),
        ([RUN], {CHANGED, FOUND_BACK}),
        # The change stands again, and the run may have gone on with what the undo found back.
        ([RUN, undo_name(1)], set()),
        ([RUN, undo_name(1), undo_name(2)], {CHANGED, FOUND_BACK}),
    ],
)
def test_an_undo_leaves_out_what_undos_that_stand_have_put_back_or_found_back(
    tmp_path: Path, parents: list[str], left_out: set[str]
) -> None:
    found = objects_put_back(tree_of(tmp_path, *parents), RUN)

    assert {uid.rpartition("/")[2] for _, uid in found} == left_out
