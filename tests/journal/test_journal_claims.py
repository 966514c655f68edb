"""Claims, releases and outcomes.

Covered: order and limits of claims, several clusters, giving back, one outcome a target, what
survives of settlements and usage, states, a second writer, use from several threads.
Not covered: crashes (test_journal_crash), arbitrary interleavings (test_journal_model).
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from fleetpatch.errors import RunFileError
from fleetpatch.journal import codec, outcomes, queries
from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.fields import label
from fleetpatch.model.outcome import Reason, Settlement
from fleetpatch.model.run import RunState, Standing, Usage
from fleetpatch.model.target import TargetId
from tests.journal.makers import draft, make, many, names, settle


def pending(run: RunFile, cluster: str) -> int:
    """Return the number of unclaimed targets of a cluster."""
    return queries.summary(run).by_cluster[cluster].pending


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunFile]:
    with make(tmp_path / "x.run", [*many(10), *many(4, "south")]) as made:
        yield made


def test_claims_walk_a_cluster_in_order_until_it_is_empty(run: RunFile) -> None:
    assert names(run.claim("north", limit=4)) == [f"job-{n:05}" for n in range(4)]
    assert [target.id for target in run.claim("north", limit=100)] == [5, 6, 7, 8, 9, 10]
    assert run.claim("north", limit=100) == []
    assert [target.id for target in run.claim("south", limit=100)] == [11, 12, 13, 14]


def test_targets_are_claimed_as_rows_in_the_same_way(run: RunFile) -> None:
    rows = [*run.claim_rows("north", limit=4), *run.claim_rows("south", limit=1)]

    assert run.claim_rows("north", limit=1, last=5, after=4)[0].id == 5
    assert [row.id for row in rows] == [1, 2, 3, 4, 11]
    assert codec.targets(rows, run.clusters, run.resources) == [
        *run.in_doubt("north", after=0, limit=4),
        *run.in_doubt("south", after=0, limit=1),
    ]
    assert run.rows_in_doubt("north", after=1, limit=2) == rows[1:3]
    run.release_ids({"north": [2, 3], "south": [11]})
    assert [row.id for row in run.claim_rows("north", limit=3)] == [2, 3, 6]
    assert [row.id for row in run.claim_rows("south", limit=1)] == [11]


@pytest.mark.parametrize("is_claimed", [False, True])
def test_a_row_of_another_cluster_is_damage_and_no_target_of_this_one(
    run: RunFile, *, is_claimed: bool
) -> None:
    if is_claimed:
        run.claim("north", limit=4)
    run.database.connection.execute("UPDATE targets SET cluster = 2 WHERE id = 3")
    calls: list[Callable[[], object]] = [
        lambda: run.claim("north", limit=4),
        lambda: run.claim_rows("north", limit=4),
    ]
    if is_claimed:
        calls = [
            lambda: run.in_doubt("north", after=0, limit=4),
            lambda: run.rows_in_doubt("north", after=0, limit=4),
        ]

    for call in calls:
        with pytest.raises(RunFileError, match="damaged"):
            call()
    (claimed,) = next(run.database.rows("SELECT count(*) FROM claims"))
    assert claimed == is_claimed


def test_an_unknown_cluster_is_a_mistake_of_the_caller(run: RunFile) -> None:
    with pytest.raises(KeyError):
        run.claim("west", limit=1)


def test_claims_step_over_what_has_ended_already(tmp_path: Path) -> None:
    drafts = [draft(f"{n}", ends=Reason.ALREADY_SET if n % 3 else None) for n in range(9)]
    with make(tmp_path / "x.run", drafts) as run:
        assert names(run.claim("north", limit=2)) == ["0", "3"]
        assert pending(run, "north") == 1
        assert names(run.claim("north", limit=2)) == ["6"]


def test_pending_targets_are_counted_by_cluster(run: RunFile) -> None:
    run.claim("north", limit=3)
    assert (pending(run, "north"), pending(run, "south")) == (7, 4)


def test_in_doubt_is_what_was_claimed_and_has_not_ended(run: RunFile) -> None:
    claimed = run.claim("north", limit=5)
    run.claim("south", limit=1)
    run.record(settle(claimed[1:3]))
    assert [t.id for t in run.in_doubt("north", after=0, limit=10)] == [1, 4, 5]
    assert [t.id for t in run.in_doubt("north", after=1, limit=1)] == [4]
    assert [t.id for t in run.in_doubt("south", after=0, limit=10)] == [11]


def test_a_released_target_is_claimed_again(run: RunFile) -> None:
    claimed = run.claim("north", limit=6)
    run.release([claimed[5], claimed[1], claimed[2]])
    assert [t.id for t in run.in_doubt("north", after=0, limit=10)] == [1, 4, 5]
    assert pending(run, "north") == 7
    assert [t.id for t in run.claim("north", limit=4)] == [2, 3, 6, 7]
    assert [t.id for t in run.in_doubt("north", after=0, limit=10)] == [1, 2, 3, 4, 5, 6, 7]
    assert [t.id for t in run.claim("north", limit=10)] == [8, 9, 10]


@pytest.mark.parametrize("number", [1, 15, 16, 17, 50])
def test_outcomes_of_one_group_are_recorded_with_and_without_fields(
    tmp_path: Path, number: int
) -> None:
    fields = {label("team"): "b"}
    with make(tmp_path / "x.run", many(number)) as run:
        settled = [
            Settlement(
                one.id,
                Reason.PATCHED,
                None if one.id % 3 == 0 else 200,
                resource_version=None if one.id % 4 == 0 else "8",
                detail="said" if one.id % 5 == 0 else "",
                replaced=fields if one.id % 7 == 0 else None,
                wrote=fields if one.id % 11 == 0 else None,
            )
            for one in run.claim("north", limit=number)
        ]
        run.record(reversed(settled))

        assert [one.settlement for one in queries.targets(run)] == settled


def test_releasing_a_pending_target_changes_nothing(run: RunFile) -> None:
    claimed = run.claim("north", limit=2)
    run.release(claimed)
    run.release(claimed)
    run.release([])
    assert pending(run, "north") == 10


def test_an_outcome_is_kept_with_all_its_particulars(run: RunFile) -> None:
    (target,) = run.claim("north", limit=1)
    settlement = Settlement(
        target.id, Reason.REJECTED, 422, 3, 2, 41.25, None, 'metadata.labels: Invalid value: "ü"'
    )
    run.record([settlement])
    (row,) = queries.targets(run, [Standing.FAILED])
    assert row.settlement == settlement
    assert row.target == target


def test_a_second_outcome_is_refused_and_takes_its_group_with_it(run: RunFile) -> None:
    a, b, c = run.claim("north", limit=3)
    run.record(settle([a]))
    run.new_usage = lambda: Usage(patch=3)
    with pytest.raises(RunFileError, match="recorded twice"):
        run.record(settle([b, a, c], Reason.GONE))
    assert [t.id for t in run.in_doubt("north", after=0, limit=10)] == [2, 3]
    assert queries.summary(run).usage == Usage()


def test_usage_adds_up_over_sessions(run: RunFile) -> None:
    run.new_usage = lambda: Usage(patch=3, retries=1, elapsed=0.5)
    run.record([])
    run.count(Usage(get=2, list=1, elapsed=1.25))
    run.close()
    with RunFile.open(run.path, write=True) as again:
        again.count(Usage(patch=1))
        assert queries.summary(again).usage == Usage(4, 2, 1, 1, 1.75)


def test_the_state_moves_with_its_cause(run: RunFile) -> None:
    assert run.state is RunState.PLANNED
    run.set_state(RunState.PAUSED, Cause(CauseCode.INTERRUPTED, "interrupted"))
    summary = queries.summary(run)
    assert (summary.state, summary.cause) == (RunState.PAUSED, "interrupted")
    assert summary.cause_code == CauseCode.INTERRUPTED


def test_a_second_writer_is_never_given_the_same_target(run: RunFile) -> None:
    with RunFile.open(run.path, write=True) as other:
        ours, theirs = run.claim("north", limit=3), other.claim("north", limit=3)
        more = run.claim("north", limit=10)
    assert [t.id for t in [*ours, *theirs, *more]] == list(range(1, 11))


def test_a_writer_that_times_out_gets_the_reason(
    run: RunFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleetpatch.journal.sqlite_file.BUSY_TIMEOUT", 0.0)
    with RunFile.open(run.path, write=True) as other, run.database.transaction():
        other.database.connection.execute("PRAGMA busy_timeout = 0")
        with pytest.raises(RunFileError, match="another process is writing"):
            other.claim("north", limit=1)


def test_calls_may_come_from_any_thread_one_at_a_time(run: RunFile) -> None:
    for _ in range(5):
        with ThreadPoolExecutor(1) as pool:
            targets = pool.submit(partial(run.claim, "north", limit=2)).result()
            pool.submit(run.record, settle(targets)).result()
    assert queries.summary(run).tally.applied == 10


def test_a_reader_sees_what_was_committed_while_the_run_continues(run: RunFile) -> None:
    run.record(settle(run.claim("north", limit=3)))
    with RunFile.open(run.path) as reader:
        assert queries.summary(reader).tally.applied == 3
        run.record(settle(run.claim("north", limit=3)))
        assert queries.summary(reader).tally.applied == 6
        with pytest.raises(RunFileError, match="cannot be written"):
            reader.claim("north", limit=1)


def test_a_closed_run_file_raises_a_clear_error(run: RunFile) -> None:
    run.close()
    with pytest.raises(RunFileError, match="closed"):
        run.claim("north", limit=1)


def test_a_run_file_of_an_earlier_version_lacks_what_people_wrote_and_opens(
    run: RunFile,
) -> None:
    later = ("cause_code", "reason", "description", "annotations", "missing", "plan_folder")
    with run.database.transaction() as connection:
        found = connection.execute(
            f"DELETE FROM meta WHERE key IN ({','.join('?' * len(later))})",
            later,
        )
        assert found.rowcount == len(later)
    path = run.path
    run.close()

    with RunFile.open(path) as opened:
        summary = queries.summary(opened)
    assert (summary.cause_code, summary.info.reason, summary.info.description) == ("", "", "")
    assert (summary.info.annotations, summary.info.missing) == ({}, {})


FIRST = TargetId(1)


@pytest.mark.parametrize(
    ("settlement", "expected"),
    [
        pytest.param(Settlement(FIRST, Reason.PATCHED, attempts=1), True, id="applied"),
        pytest.param(Settlement(FIRST, Reason.ALREADY_SET, attempts=1), True, id="back at a PATCH"),
        pytest.param(Settlement(FIRST, Reason.NOT_EFFECTIVE, attempts=1), True, id="not effective"),
        pytest.param(
            Settlement(FIRST, Reason.DRIFTED, attempts=1, wrote={label("a"): "1"}),
            True,
            id="in part",
        ),
        pytest.param(Settlement(FIRST, Reason.ALREADY_SET), False, id="back before"),
        pytest.param(Settlement(FIRST, Reason.FORBIDDEN, attempts=1), False, id="refused"),
        pytest.param(Settlement(FIRST, Reason.DRIFTED), False, id="drifted"),
    ],
)
def test_an_undo_may_have_put_something_back(
    run: RunFile, settlement: Settlement, *, expected: bool
) -> None:
    assert not outcomes.may_have_put_back(run.database)
    run.claim("north", limit=1)
    assert outcomes.may_have_put_back(run.database)  # in doubt

    run.record([settlement])

    assert outcomes.may_have_put_back(run.database) is expected


def test_an_undo_whose_failed_target_was_reopened_may_have_put_something_back(
    run: RunFile,
) -> None:
    run.claim("north", limit=1)
    run.record([Settlement(FIRST, Reason.FORBIDDEN, attempts=1, wrote={label("a"): "1"})])
    assert run.reopen() == 1

    assert outcomes.may_have_put_back(run.database)
