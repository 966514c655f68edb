"""What is undone by what: a run, its undos, the undos of those, in entries that are made by hand.

Covered: as a whole and in part, undos of undos, removed files, files that claim to undo each other,
undos that are outdated. Left out: what commands make of it (tests/e2e/test_unfinished_undos.py).
"""

from pathlib import Path

import pytest
from msgspec.structs import replace

from fleetpatch.journal.runs.catalog import RunEntry
from fleetpatch.journal.runs.undo_tree import Undone, UndoTree
from fleetpatch.model.run import RunState
from tests.journal.makers import info

RUN = "paint-20260301T0000Z-000001"


def undo_name(number: int) -> str:
    return f"undo-paint-20260302T000{number}Z-000001"


def entry(name: str, of: str = "", state: RunState = RunState.FINISHED, **more: object) -> RunEntry:
    facts = replace(info(name), undo_of=of)
    return RunEntry(Path(f"{name}.run"), facts, state, **{"patches": 1, **more})  # type: ignore[arg-type]


def chain(*parents: int, **of_last: object) -> UndoTree:
    """A run, and undos: the first of them undoes the entry with the first number; 0 is the run."""
    entries = [entry(RUN)]
    for number, parent in enumerate(parents, 1):
        more = of_last if number == len(parents) else {}
        entries.append(entry(undo_name(number), entries[parent].run, **more))  # type: ignore[arg-type]
    return UndoTree(entries)


@pytest.mark.parametrize(
    ("parents", "expected"),
    [
        ((), None),
        ((0,), Undone(undo_name(1), whole=True)),
        ((0, 1), None),
        ((0, 1, 2), Undone(undo_name(1), whole=True)),
        ((0, 1, 0), Undone(undo_name(3), whole=True)),
        ((0, 1, 0, 3), None),
        # The second undo has left out what the first had put back, which is changed again.
        ((0, 0, 1), Undone(undo_name(2), whole=False)),
        ((0, 0, 1, 3), Undone(undo_name(2), whole=True)),
        ((0, 0, 1, 0), Undone(undo_name(4), whole=True)),
    ],
)
def test_a_run_is_undone_by_its_latest_undo_that_stands(
    parents: tuple[int, ...], expected: Undone | None
) -> None:
    tree = chain(*parents)
    assert tree.undone(RUN) == expected
    assert tree.complete(RUN) == (expected.by if expected and expected.whole else "")


@pytest.mark.parametrize(
    "last", [{"state": RunState.PAUSED}, {"cause_code": "targets-failed"}, {"undone_by": "gone"}]
)
def test_an_undo_that_is_not_complete_has_undone_a_part(last: dict[str, object]) -> None:
    expected = None if "undone_by" in last else Undone(undo_name(1), whole=False)
    assert chain(0, **last).undone(RUN) == expected
    assert chain(0, 1, **last).undone(undo_name(1)) == (
        None if expected is None else Undone(undo_name(2), whole=False)
    )


def test_the_undo_of_a_part_of_an_undo_leaves_a_run_undone_in_part() -> None:
    assert chain(0, 1, state=RunState.RUNNING).undone(RUN) == Undone(undo_name(1), whole=False)


def test_an_undo_without_a_patch_is_complete_and_has_undone_nothing() -> None:
    tree = chain(0, patches=0)
    assert (tree.undone(RUN), tree.complete(RUN)) == (None, undo_name(1))
    assert chain(0, state=RunState.PAUSED, patches=0).complete(RUN) == ""
    assert chain(0, state=RunState.PAUSED, patches=0, has_claims=True).undone(RUN) is not None


@pytest.mark.parametrize("in_part", [False, True])
def test_an_undo_whose_file_was_removed_counts_as_the_run_file_says(in_part: bool) -> None:
    tree = UndoTree([entry(RUN, undone_by="undo-gone", undone_in_part=in_part)])
    assert tree.undone(RUN) == Undone("undo-gone", whole=not in_part)
    assert dict(tree.complete_runs()) == ({} if in_part else {RUN: "undo-gone"})


def test_files_that_claim_to_undo_each_other_end_in_an_answer() -> None:
    one, two = undo_name(1), undo_name(2)
    tree = UndoTree([entry(one, of=two), entry(two, of=one), entry(RUN, of=RUN)])
    assert all(tree.undone(run) is None or tree.undone(run) for run in (one, two, RUN))
    assert [len(list(tree.ancestors(run))) for run in (one, two, RUN)] == [1, 1, 0]


def test_an_undo_is_outdated_if_a_related_run_has_sent_something_since() -> None:
    before = chain(0, 0, patches=0)
    known = before.activity(undo_name(2))
    assert before.sent_since(undo_name(2), known) == []
    assert chain(0, 0, 0).sent_since(undo_name(2), known) == [undo_name(3)]
    going = UndoTree([entry(RUN, patches=2), entry(undo_name(1), RUN), entry(undo_name(2), RUN)])
    assert going.sent_since(undo_name(2), known) == [RUN]
    killed = {"patches": 0, "state": RunState.RUNNING, "has_claims": True}
    assert chain(0, 0, 1, **killed).sent_since(undo_name(2), known) == [undo_name(3)]
    other = UndoTree([*(entry(undo_name(n), RUN) for n in (1, 2)), entry("x"), entry("y", "x")])
    assert other.sent_since(undo_name(2), known) == []


def test_without_a_record_of_the_others_each_undo_that_has_begun_counts() -> None:
    assert chain(0, 0).sent_since(undo_name(2), None) == [undo_name(1)]
    assert chain(0, 0, patches=0).sent_since(undo_name(1), None) == []


def test_later_runs_of_a_tree_are_in_their_order_with_their_depth() -> None:
    tree = chain(0, 1, 0, 2)
    later = [one.run for one in tree.later(undo_name(1))]
    assert later == [undo_name(2), undo_name(3), undo_name(4)]
    assert [tree.depth(one, below=undo_name(1)) for one in later] == [1, None, 2]
    assert [tree.depth(one, below=RUN) for one in later] == [2, 1, 3]
