"""Which changes of the pace are reported."""

from msgspec.structs import replace

from fleetpatch.engine.pace_report import PaceReport
from fleetpatch.model.pace import Pace, PaceCause
from fleetpatch.rules.pacing.tuning import Tuning

FIRST = Pace(32, None, PaceCause.CONCURRENCY)


def reports(paces: dict[float, Pace]) -> list[float]:
    """When something was reported."""
    told: list[float] = []
    now = 0.0
    report = PaceReport(FIRST, Tuning(), lambda _old, _new: told.append(now))
    for at, pace in paces.items():
        now = at
        report.note(pace, at)
    return told


def test_a_pause_is_reported_when_it_begins_and_once() -> None:
    paused = replace(FIRST, cause=PaceCause.RETRY_AFTER, until=9.0)

    assert reports({1.0: paused, 2.0: paused, 5.0: paused}) == [1.0]


def test_another_cause_is_reported_when_it_has_lasted_three_seconds() -> None:
    other = replace(FIRST, cause=PaceCause.LATENCY)

    assert reports({1.0: other, 3.9: other}) == []
    assert reports({1.0: other, 4.1: other, 9.0: other}) == [4.1]


def test_a_cause_that_flips_back_is_not_reported() -> None:
    other = replace(FIRST, cause=PaceCause.LATENCY)
    flips = {at / 2: (other if at % 4 < 2 else FIRST) for at in range(100)}

    assert reports(flips) == []


def test_a_limit_that_is_half_as_much_again_is_a_change() -> None:
    assert reports({at: replace(FIRST, concurrency=44) for at in (1.0, 5.0)}) == []
    assert reports({at: replace(FIRST, concurrency=49) for at in (1.0, 5.0)}) == [5.0]
    assert reports({at: replace(FIRST, concurrency=21) for at in (1.0, 5.0)}) == [5.0]
    assert reports({at: replace(FIRST, rate=50.0) for at in (1.0, 5.0)}) == [5.0]


def test_it_is_looked_at_once_a_second() -> None:
    report = PaceReport(FIRST, Tuning(), lambda _old, _new: None)
    report.note(FIRST, 10.0)

    assert not report.is_due(10.9)
    assert report.is_due(11.1)
