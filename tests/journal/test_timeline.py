"""What a run file keeps of a run over time, and of its sessions.

Covered: buckets are written with the outcomes, become wider, and are bounded; sessions are bounded;
a run file of an earlier version; damaged rows. Left out: what is observed
(tests/campaign/test_timeline.py).
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from fleetpatch.errors import RunFileError
from fleetpatch.journal import sessions, timeline
from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.run import RunState, Usage
from fleetpatch.model.timeline import MAX_BUCKETS, Bucket, SessionRecord, Timeline
from tests.journal.makers import NOON, make, many, settle

CLOSED = Cause(CauseCode.WINDOW_CLOSED, "the window is closed")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "x.run"
    make(path, many(20)).close()
    return path


def at(*moments: float) -> Callable[[], Timeline]:
    """Observe one applied target at each of these moments, once."""
    new = Timeline()
    for moment in moments:
        new.add(moment, Bucket(1.0, {"applied": 1}, {"200": 1}))
    remaining = [new]
    return lambda: remaining.pop() if remaining else Timeline()


def read(path: Path) -> Timeline:
    with RunFile.open(path) as run:
        return timeline.read(run.database)


def test_what_was_observed_is_written_with_the_next_outcomes(path: Path) -> None:
    with RunFile.open(path, write=True) as run:
        run.new_timeline = at(NOON, NOON, NOON + 3)
        run.record(settle(run.claim("north", limit=2)))

    assert {start: bucket.ended for start, bucket in read(path).buckets.items()} == {
        NOON: {"applied": 2},
        NOON + 3: {"applied": 1},
    }


def test_the_end_of_a_session_writes_what_no_outcome_has_taken_along(path: Path) -> None:
    with RunFile.open(path, write=True) as run:
        run.new_timeline = at(NOON)
        run.count(Usage(get=1))

    assert read(path).total.ended == {"applied": 1}


def test_later_sessions_go_on_in_the_same_timeline(path: Path) -> None:
    for night in range(3):
        with RunFile.open(path, write=True) as run:
            run.new_timeline = at(NOON + 86_400 * night, NOON + 86_400 * night + 1)
            run.count(Usage())

    found = read(path)
    assert found.width == 1
    assert len(found.buckets) == 6


def test_a_long_run_has_wider_buckets_in_the_run_file_and_no_more_of_them(path: Path) -> None:
    with RunFile.open(path, write=True) as run:
        for second in range(0, 4 * MAX_BUCKETS, 2):
            run.new_timeline = at(NOON + second)
            run.count(Usage())
        rows = list(run.database.rows("SELECT count(*), min(width), max(width) FROM timeline"))

    assert rows == [(MAX_BUCKETS, 4, 4)]
    assert read(path).total.ended == {"applied": 2 * MAX_BUCKETS}


def test_observations_that_were_wider_already_widen_those_of_the_run_file(path: Path) -> None:
    with RunFile.open(path, write=True) as run:
        run.new_timeline = at(NOON)
        run.count(Usage())
        wide = Timeline(width=64)
        wide.add(NOON + 1, Bucket(1.0, {"applied": 5}))
        run.new_timeline = lambda: wide
        run.count(Usage())

    assert read(path).width == 64
    assert read(path).total.ended == {"applied": 6}


def test_sessions_say_who_carried_the_run_out_and_how_each_ended(path: Path) -> None:
    with RunFile.open(path, write=True) as run:
        first = sessions.begin(run, NOON, "ann@desk")
        states = [run.state]
        sessions.end(run, first, NOON + 5, RunState.PAUSED, CLOSED, partly=False)
        states.append(run.state)
        assert states == [RunState.RUNNING, RunState.PAUSED]
        sessions.begin(run, NOON + 9, "ben@desk")

    with RunFile.open(path) as run:
        assert sessions.read(run) == [
            SessionRecord(
                NOON, NOON + 5, "ann@desk", "paused", "window-closed", "the window is closed"
            ),
            SessionRecord(NOON + 9, None, "ben@desk"),
        ]


def test_an_end_without_a_session_leaves_one_that_was_killed_as_it_is(path: Path) -> None:
    with RunFile.open(path, write=True) as run:
        sessions.begin(run, NOON, "ann@desk")
        sessions.end(run, 0, NOON + 5, RunState.PAUSED, CLOSED, partly=True)

        assert [one.ended for one in sessions.read(run)] == [None]


def test_the_sessions_of_a_run_are_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MAX_SESSIONS", 3)
    with RunFile.open(path, write=True) as run:
        for number in range(5):
            sessions.begin(run, NOON + number, "ann@desk")

        assert [one.began for one in sessions.read(run)] == [NOON + 2, NOON + 3, NOON + 4]


def test_a_run_file_of_an_earlier_version_has_an_empty_timeline(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("DROP TABLE timeline")
    database.execute("DROP TABLE sessions")
    database.commit()
    database.close()

    assert not read(path)
    with RunFile.open(path) as run:
        assert sessions.read(run) == []


@pytest.mark.parametrize(
    "row",
    [
        (1, 1, "no JSON"),
        (1, 3, "{}"),
        (-1, 1, "{}"),
        (1, 2**40, "{}"),
        (1, 1, '{"most":"x"}'),
        (1, 1, '{"durations":{"-1":1}}'),
    ],
)
def test_a_damaged_row_is_an_error_of_the_run_file(path: Path, row: tuple[object, ...]) -> None:
    database = sqlite3.connect(path)
    database.execute("INSERT INTO timeline VALUES (?, ?, ?)", row)
    database.commit()
    database.close()

    with pytest.raises(RunFileError, match="damaged"):
        read(path)
