"""What is undone by what: a run, its undos, the undos of those, in entries that are made by hand.

Covered: as a whole and in part, undos of undos, removed files, files that claim to undo each other,
undos that are outdated. Left out: what commands make of it (tests/e2e/test_unfinished_undos.py).
"""

from pathlib import Path

import pytest
from msgspec.structs import replace

from fleetpatch.journal.activity import Activity
from fleetpatch.journal.runs.catalog import RunEntry
from fleetpatch.journal.runs.undo_tree import Undone, UndoTree
from fleetpatch.model.run import RunState
from tests.journal.makers import info

RUN = "paint-20260301T0000Z-000001"


def undo_name(number: int) -> str:
    return f"undo-paint-20260302T000{number}Z-000001"


def entry(name: str, of: str = "", state: RunState = RunState.FINISHED, **more: object) -> RunEntry:
    facts = replace(info(name), undo_of=of)
    sent = {"patches": 1, "outcomes": 1, "has_put_back": bool(of)}
    return RunEntry(Path(f"{name}.run"), facts, state, **{**sent, **more})  # type: ignore[arg-type]


def chain(*parents: int, **of_last: object) -> UndoTree:
    """A run, and undos: the first of them undoes the entry with the first number; 0 is the run."""
    entries = [entry(RUN)]
    for number, parent in enumerate(parents, 1):
        more = of_last if number == len(parents) else {}
        entries.append(entry(undo_name(number), entries[parent].run, **more))  # type: ignore[arg-type]
    return UndoTree(entries)


def test_a_long_chain_of_undos_is_read() -> None:
    tree = chain(*range(2001))

    assert tree.undone(RUN) == Undone(undo_name(1), whole=True)


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


def test_an_undo_without_effect_is_complete_and_has_undone_nothing() -> None:
    tree = chain(0, has_put_back=False)
    assert (tree.undone(RUN), tree.complete(RUN)) == (None, undo_name(1))
    unfinished = chain(0, state=RunState.PAUSED, has_put_back=False)
    assert (unfinished.undone(RUN), unfinished.complete(RUN)) == (None, "")
    sending = chain(0, state=RunState.RUNNING, has_put_back=False, has_claims=True)
    assert sending.undone(RUN) == Undone(undo_name(1), whole=False)


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


def test_an_undo_that_names_a_removed_one_is_later_and_any_other_is_earlier() -> None:
    noted = entry(RUN, undone_by="undo-gone", undone_in_part=True)
    undo = entry(undo_name(1), RUN, relatives={RUN: Activity(1, running=False)})
    gone = Undone("undo-gone", whole=False)
    assert UndoTree([noted, undo]).undone(RUN) == gone
    assert UndoTree([noted, undo]).complete(RUN) == ""
    later = replace(undo, relatives={"undo-gone": Activity(1, running=False)})
    assert UndoTree([noted, later]).undone(RUN) == Undone(undo_name(1), whole=True)


def test_a_file_that_cannot_be_read_counts_as_removed() -> None:
    damaged = RunEntry(Path(f"{undo_name(1)}.run"), problem="damaged")
    tree = UndoTree([entry(RUN, undone_by=undo_name(1)), damaged])
    assert tree.undone(RUN) == Undone(undo_name(1), whole=True)


KNOWN = chain(0, patches=0, outcomes=0, has_put_back=False).activity(RUN)
"""What a second undo of the run notes while the first is a preview."""
SECOND = entry(undo_name(2), RUN, relatives=KNOWN)
FIRST = entry(undo_name(1), RUN, patches=0, outcomes=0, has_put_back=False)
GOING = replace(entry(undo_name(3), RUN, RunState.RUNNING), patches=0, has_claims=True)


@pytest.mark.parametrize(
    ("others", "sent"),
    [
        ([entry(RUN), FIRST], []),
        ([entry(RUN, patches=2), FIRST], [RUN]),
        ([entry(RUN), replace(FIRST, patches=1)], [undo_name(1)]),
        # Its process was killed, and what it had sent was read since.
        ([entry(RUN), replace(FIRST, outcomes=1, has_put_back=True)], [undo_name(1)]),
        ([entry(RUN, outcomes=0), FIRST], []),
        ([entry(RUN), FIRST, entry(undo_name(3), RUN)], [undo_name(3)]),
        ([entry(RUN), FIRST, GOING], [undo_name(3)]),
        ([entry(RUN), FIRST, entry("x"), entry("y", "x")], []),
    ],
)
def test_an_undo_is_outdated_if_a_related_run_has_sent_something_since(
    others: list[RunEntry], sent: list[str]
) -> None:
    assert UndoTree([*others, SECOND]).sent_since(undo_name(2)) == sent


def test_without_a_record_of_the_others_each_undo_that_has_begun_counts() -> None:
    assert chain(0, 0).sent_since(undo_name(2)) == [undo_name(1)]
    assert chain(0, 0, has_put_back=False).sent_since(undo_name(1)) == []


def test_only_an_undo_that_may_be_continued_is_open() -> None:
    def is_open(*others: RunEntry, **more: object) -> bool:
        undo = entry(undo_name(2), RUN, relatives=KNOWN, **{"state": RunState.PAUSED, **more})  # type: ignore[arg-type]
        return UndoTree([entry(RUN), FIRST, *others, undo]).is_open(undo)

    assert is_open()
    assert not is_open(state=RunState.FINISHED)
    assert not is_open(entry(undo_name(3), RUN, has_put_back=False))
    assert not is_open(entry(undo_name(3), undo_name(2)))
    assert not is_open(entry(RUN, patches=2))


def test_later_runs_of_a_tree_are_in_their_order_with_their_depth() -> None:
    tree = chain(0, 1, 0, 2)
    later = [one.run for one in tree.later(undo_name(1))]
    assert later == [undo_name(2), undo_name(3), undo_name(4)]
    assert [tree.depth(one, below=undo_name(1)) for one in later] == [1, None, 2]
    assert [tree.depth(one, below=RUN) for one in later] == [2, 1, 3]
