"""Which objects an undo leaves out, since earlier undos have settled them.

Left out: the tree itself (tests/journal/test_undo_tree.py), and commands
(tests/e2e/test_unfinished_undos.py).
"""

from pathlib import Path

import pytest
from msgspec.structs import replace

from fleetpatch.campaign.planning.settled import objects_settled
from fleetpatch.journal.runs.catalog import RunEntry
from fleetpatch.journal.runs.undo_tree import UndoTree
from fleetpatch.model.outcome import Reason
from fleetpatch.model.run import RunState
from tests.journal.makers import draft, info, make, settle
from tests.journal.test_undo_tree import RUN, entry, undo_name

ENDS = {
    "put back": Reason.PATCHED,
    "found back": Reason.ALREADY_SET,
    "drifted": Reason.DRIFTED,
    "failed": Reason.REJECTED,
}


def recorded(folder: Path, parents: tuple[str, ...], **more: object) -> list[RunEntry]:
    """A run that has changed four objects, and undos of `parents` that end with them as ENDS."""
    with make(folder / "0.run", map(draft, ENDS), info(RUN)) as run:
        run.record(settle(run.claim("north", limit=len(ENDS))))
    entries = [replace(entry(RUN), path=run.path)]
    for number, parent in enumerate(parents, 1):
        facts = replace(info(undo_name(number)), undo_of=parent)
        with make(folder / f"{number}.run", map(draft, ENDS), facts) as undo:
            for target in undo.claim("north", limit=len(ENDS)):
                undo.record(settle([target], ENDS[target.name]))
        made = entry(undo_name(number), parent, RunState.FINISHED, **more)
        entries.append(replace(made, path=undo.path))
    return entries


def left_out(entries: list[RunEntry]) -> set[str]:
    return {uid.rpartition("/")[2] for _, uid in objects_settled(UndoTree(entries), RUN)}


@pytest.mark.parametrize(
    ("parents", "expected"),
    [
        ((), set()),
        ((RUN,), {"put back", "found back", "drifted"}),
        # What the undo had put back is changed again. What it had not to is another writer's.
        ((RUN, undo_name(1)), {"found back", "drifted"}),
        ((RUN, undo_name(1), undo_name(2)), {"put back", "found back", "drifted"}),
    ],
)
def test_an_undo_leaves_out_what_earlier_undos_have_settled(
    tmp_path: Path, parents: tuple[str, ...], expected: set[str]
) -> None:
    assert left_out(recorded(tmp_path, parents)) == expected


def test_an_undo_that_had_nothing_to_send_counts_but_a_preview_does_not(tmp_path: Path) -> None:
    run, undo = recorded(tmp_path, (RUN,), has_put_back=False)

    assert left_out([run, undo]) == {"put back", "found back", "drifted"}
    assert left_out([run, replace(undo, state=RunState.PLANNED)]) == set()


def test_what_a_run_has_changed_after_its_undo_found_it_drifted_is_not_left_out(
    tmp_path: Path,
) -> None:
    path = tmp_path / "1.run"
    drafts = [
        draft("job-a", version="8", ends=Reason.DRIFTED),
        draft("job-b", version="5", ends=Reason.DRIFTED),
    ]
    with make(tmp_path / "0.run", [draft("job-a"), draft("job-b")], info(RUN)) as run:
        run.record(settle(run.claim("north", limit=2)))  # with the version 8
    make(path, drafts, replace(info(undo_name(1)), undo_of=RUN)).close()
    undo = replace(entry(undo_name(1), RUN, RunState.FINISHED), path=path)

    assert left_out([replace(entry(RUN), path=run.path), undo]) == {"job-a"}
