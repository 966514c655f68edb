"""When a run is expected to end. Covered: the rate, waves and their pauses, the window, no end."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from fleetpatch.model.cron import Schedule
from fleetpatch.model.window import Days, Opening, Window
from fleetpatch.rules.running.eta import expected_end

NOON = datetime(2027, 3, 1, 12, 0, tzinfo=UTC).timestamp()
HOUR = 3600.0
UTC_ZONE = ZoneInfo("UTC")


def nightly(hours: float = 2.0, drain: float = 0.0) -> Window:
    opening = Opening(Schedule.parse("0 2 * * *"), hours * HOUR, UTC_ZONE)
    return Window((opening,), UTC_ZONE, drain=drain)


def test_without_waves_and_window_it_is_the_open_targets_by_the_rate() -> None:
    assert expected_end(NOON, 10.0, [3600]) == NOON + 360


def test_a_run_that_does_not_move_has_no_expected_end() -> None:
    assert expected_end(NOON, 0.0, [10]) is None


def test_each_further_wave_costs_its_pause() -> None:
    assert expected_end(NOON, 10.0, [100, 200, 300], pause=60.0) == NOON + 60 + 2 * 60


def test_a_wave_that_is_awaited_begins_at_its_time() -> None:
    assert expected_end(NOON, 10.0, [100], starts_at=NOON + 500) == NOON + 510
    assert expected_end(NOON, 10.0, [100], starts_at=NOON - 500) == NOON + 10


def test_waves_that_begin_by_hand_have_an_end_only_at_the_last_one() -> None:
    assert expected_end(NOON, 10.0, [100, 100], by_hand=True) is None
    assert expected_end(NOON, 10.0, [100], by_hand=True) == NOON + 10


def test_work_waits_for_the_window_and_goes_on_in_the_next_one() -> None:
    two_in_the_morning = NOON + 14 * HOUR

    assert expected_end(NOON, 1.0, [60], window=nightly()) == two_in_the_morning + 60
    assert expected_end(NOON, 1.0, [3 * 3600], window=nightly()) == two_in_the_morning + 25 * HOUR


def test_nothing_is_sent_in_the_drain_before_the_window_closes() -> None:
    end = expected_end(NOON, 1.0, [2 * 3600], window=nightly(drain=60.0))

    assert end == NOON + 38 * HOUR + 60


def test_a_window_that_does_not_open_again_has_no_end() -> None:
    for_good = Days(date(2027, 1, 1), date(2999, 12, 31))
    never = Window(nightly().openings, UTC_ZONE, blackouts=(for_good,))

    assert expected_end(NOON, 1.0, [60], window=never) is None
