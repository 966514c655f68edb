"""The order in which runs and undos were planned, with clocks that say anything.

Covered: undos that name what they undo, that have noted the others, and of earlier versions; files
that name each other. Left out: what follows from the order (test_undo_tree.py).
"""

from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.journal.activity import Activity
from fleetpatch.journal.runs.catalog import RunEntry
from fleetpatch.journal.runs.planning_order import in_planning_order
from fleetpatch.journal.runs.undo_tree import UndoTree
from fleetpatch.model.run import RunState
from tests.journal.test_undo_tree import entry

IDLE = Activity(0, running=False)


def name(number: int, minute: int) -> str:
    return f"undo-paint-20260301T00{minute:02}Z-0000{number:02x}"


@st.composite
def trees(draw: st.DrawFn) -> list[RunEntry]:
    """Draw a run and undos in the order of planning, each with a clock of its own.

    Each undo has noted all that were there; those that put something back are the others' past.
    """
    entries: list[RunEntry] = []
    for number in range(draw(st.integers(2, 7))):
        run = name(number, draw(st.integers(0, 59)))
        of = draw(st.sampled_from(entries)).run if entries else ""
        noted = {one.run: IDLE for one in entries} if entries else None
        state = draw(st.sampled_from([RunState.FINISHED, RunState.PAUSED]))
        changed = draw(st.booleans()) and number > 0
        entries.append(entry(run, of, state, relatives=noted, has_put_back=changed))
    return entries


@given(trees(), st.data())
def test_undos_are_in_the_order_of_what_they_have_noted(
    planned: list[RunEntry], data: st.DataObject
) -> None:
    assert in_planning_order(data.draw(st.permutations(planned))) == planned


@given(trees(), st.data())
def test_no_answer_depends_on_a_clock(planned: list[RunEntry], data: st.DataObject) -> None:
    minutes = data.draw(st.lists(st.integers(0, 59), min_size=7, max_size=7))
    others = {one.run: name(n, minutes[n]) for n, one in enumerate(planned)}

    def moved(one: RunEntry) -> RunEntry:
        noted = None if one.relatives is None else {others[run]: IDLE for run in one.relatives}
        of = others[one.undo_of] if one.undo_of else ""
        assert one.state is not None
        return entry(others[one.run], of, one.state, relatives=noted, has_put_back=one.has_put_back)

    here, there = UndoTree(planned), UndoTree(map(moved, planned))
    for one in planned:
        undone = here.undone(one.run)
        expected = undone._replace(by=others[undone.by]) if undone else None
        assert there.undone(others[one.run]) == expected
        assert there.complete(others[one.run]) == others.get(here.complete(one.run), "")
        later = [others[since.run] for since in here.later(one.run)]
        assert [since.run for since in there.later(others[one.run])] == later


def test_of_earlier_versions_a_run_is_before_its_undos_and_the_clock_decides_the_rest() -> None:
    run, first, second, redo = name(0, 50), name(1, 10), name(2, 20), name(3, 0)
    planned = [entry(run), entry(first, run), entry(redo, first), entry(second, run)]
    assert in_planning_order(planned[::-1]) == planned


def test_files_that_name_each_other_are_last_in_the_order_of_their_names() -> None:
    one, two, run = name(1, 1), name(2, 2), name(0, 50)
    entries = [entry(two, one), entry(one, two), entry(run, run)]
    assert [found.run for found in in_planning_order(entries)] == [run, one, two]
