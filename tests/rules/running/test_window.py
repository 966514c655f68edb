"""When a window is open.

Covered: openings and closings of all zones' kinds of days, openings that overlap and adjoin,
blackouts, the drain, windows that never open or never close; as a property, that every moment
agrees with a slow oracle, which reads the zone's local time minute by minute.
Left out: the section of the plan (tests/model/plan/test_plan_window.py), and waiting and stopping
(tests/engine/test_window.py): the rules keep no state, so a clock that was set is just another
moment.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetpatch.model.cron import Schedule
from fleetpatch.model.window import Days, Opening, Window
from fleetpatch.rules.running.window import MAX_LOOKAHEAD, WindowStatus, window_status
from tests.values import replace

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0


def opening(opens: str, lasts: float, zone: str = "UTC") -> Opening:
    return Opening(Schedule.parse(opens), lasts, ZoneInfo(zone))


def window(*openings: Opening, blackouts: Sequence[str] = (), drain: float = 0.0) -> Window:
    """Make a window whose blackouts are days of its first opening's zone."""
    return Window(openings, openings[0].zone, tuple(map(Days.parse, blackouts)), drain)


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def look(where: Window, text: str) -> tuple[str | None, str | None]:
    """Return when the window closes and when it opens next, in local time of its zone."""
    seen = window_status(where, at(text))

    def shown(moment: float | None) -> str | None:
        return None if moment is None else datetime.fromtimestamp(moment, where.zone).isoformat()

    return shown(seen.closes_at), shown(seen.opens_at)


SATURDAYS = window(opening("0 2 * * SAT", 3 * HOUR, "Asia/Shanghai"))


@pytest.mark.parametrize(
    ("now", "closes"),
    [
        ("2026-05-02T01:59:59.999+08:00", None),
        ("2026-05-02T02:00:00+08:00", "2026-05-02T05:00:00+08:00"),
        ("2026-05-01T20:59:59.999Z", "2026-05-02T05:00:00+08:00"),
        ("2026-05-02T05:00:00+08:00", None),
    ],
)
def test_a_window_is_open_from_its_opening_to_right_before_its_closing(
    now: str, closes: str | None
) -> None:
    assert look(SATURDAYS, now)[0] == closes


def test_the_next_opening_is_the_one_after_now_whether_it_is_open_or_not() -> None:
    assert look(SATURDAYS, "2026-04-29T12:00Z")[1] == "2026-05-02T02:00:00+08:00"
    assert look(SATURDAYS, "2026-05-02T02:00+08:00")[1] == "2026-05-09T02:00:00+08:00"
    assert look(SATURDAYS, "2026-05-02T05:00+08:00")[1] == "2026-05-09T02:00:00+08:00"


def test_from_the_cutoff_on_nothing_is_sent_although_the_window_is_open() -> None:
    drained = replace(SATURDAYS, drain=30.0)
    opens, closes = at("2026-05-02T02:00+08:00"), at("2026-05-02T05:00+08:00")

    assert window_status(drained, opens).cutoff == closes - 30
    assert window_status(drained, closes - 30.001).may_send
    assert not window_status(drained, closes - 30).may_send
    assert window_status(drained, closes - 30).closes_at == closes
    assert not window_status(drained, closes).may_send
    assert window_status(drained, closes).cutoff is None


def test_a_long_drain_does_not_close_overlapping_openings() -> None:
    monthly = window(opening("0 0 1 * *", 20 * DAY), drain=8 * DAY)

    assert window_status(monthly, at("2027-03-02T00:00Z")).may_send
    assert window_status(monthly, at("2027-03-12T23:59Z")).may_send
    assert not window_status(monthly, at("2027-03-13T00:00Z")).may_send


def test_openings_may_last_seconds() -> None:
    seen = window_status(window(opening("* * * * *", 5.0)), 62.5)

    assert seen == WindowStatus(62.5, closes_at=65.0, cutoff=65.0, opens_at=120.0)


def test_openings_that_overlap_or_adjoin_are_joined() -> None:
    both = window(opening("0 1 * * *", 2 * HOUR), opening("0 2,3,6 * * *", HOUR))

    assert look(both, "2026-05-02T01:30Z") == (
        "2026-05-02T04:00:00+00:00",
        "2026-05-02T06:00:00+00:00",
    )


def test_a_short_opening_within_a_long_one_changes_nothing() -> None:
    both = window(opening("0 1 * * *", 6 * HOUR), opening("0 2 * * *", HOUR))

    assert look(both, "2026-05-02T02:30Z")[0] == "2026-05-02T07:00:00+00:00"


def test_openings_may_have_different_zones() -> None:
    both = window(
        opening("0 2 * * *", HOUR, "Europe/Berlin"), opening("0 2 * * *", HOUR, "America/New_York")
    )

    assert look(both, "2026-07-01T00:30Z") == (
        "2026-07-01T03:00:00+02:00",
        "2026-07-01T08:00:00+02:00",
    )


SPRING = "2026-03-29"  # in Berlin, 02:00 is 03:00
AUTUMN = "2026-10-25"  # in Berlin, 03:00 is 02:00


@pytest.mark.parametrize("minute", ["0", "1", "30", "59"])
def test_an_opening_in_a_gap_of_local_time_begins_right_after_it(minute: str) -> None:
    night = window(opening(f"{minute} 2 * * *", HOUR, "Europe/Berlin"))

    assert look(night, f"{SPRING}T00:00Z") == (None, f"{SPRING}T03:00:00+02:00")
    assert look(night, f"{SPRING}T01:00Z")[0] == f"{SPRING}T04:00:00+02:00"


def test_an_opening_in_a_repeated_local_time_begins_at_the_first_one() -> None:
    night = window(opening("30 2 * * *", 10 * MINUTE, "Europe/Berlin"))

    assert look(night, f"{AUTUMN}T00:00Z") == (None, f"{AUTUMN}T02:30:00+02:00")
    assert look(night, f"{AUTUMN}T01:30Z") == (None, "2026-10-26T02:30:00+01:00")


@pytest.mark.parametrize(
    ("now", "closes"),
    [
        (f"{SPRING}T01:30+01:00", f"{SPRING}T05:00:00+02:00"),
        (f"{AUTUMN}T01:30+02:00", f"{AUTUMN}T03:00:00+01:00"),
    ],
)
def test_an_opening_lasts_its_elapsed_time_whatever_local_time_does(now: str, closes: str) -> None:
    night = window(opening("0 1 * * *", 3 * HOUR, "Europe/Berlin"))

    assert look(night, now)[0] == closes


def test_an_opening_on_a_skipped_day_begins_with_the_next_day() -> None:
    apia = window(opening("0 2 30 * *", HOUR, "Pacific/Apia"))

    assert look(apia, "2011-12-30T00:00Z") == (None, "2011-12-31T00:00:00+14:00")


def test_openings_of_whole_days_adjoin_except_on_a_day_of_25_hours() -> None:
    days = window(opening("0 0 * * *", DAY, "Europe/Berlin"))

    assert look(days, f"{AUTUMN}T12:00Z") == (
        f"{AUTUMN}T23:00:00+01:00",
        "2026-10-26T00:00:00+01:00",
    )


NIGHTS = window(
    opening("0 22 * * *", 8 * HOUR, "Europe/Berlin"),
    blackouts=["2026-12-24", "2026-12-31..2027-01-02"],
)


@pytest.mark.parametrize(
    ("now", "closes", "opens"),
    [
        ("2026-12-23T23:00+01:00", "2026-12-24T00:00:00+01:00", "2026-12-25T00:00:00+01:00"),
        ("2026-12-24T00:00+01:00", None, "2026-12-25T00:00:00+01:00"),
        ("2026-12-25T00:00+01:00", "2026-12-25T06:00:00+01:00", "2026-12-25T22:00:00+01:00"),
        ("2026-12-31T23:00+01:00", None, "2027-01-03T00:00:00+01:00"),
    ],
)
def test_a_blackout_cuts_whole_days_out(now: str, closes: str | None, opens: str) -> None:
    assert look(NIGHTS, now) == (closes, opens)


def test_blackouts_that_overlap_are_joined() -> None:
    many = window(opening("0 0 * * *", DAY), blackouts=["2026-01-02..2026-01-05", "2026-01-03"])

    assert look(many, "2026-01-01T12:00Z") == (
        "2026-01-02T00:00:00+00:00",
        "2026-01-06T00:00:00+00:00",
    )


def test_a_rare_opening_is_found() -> None:
    leap = window(opening("0 0 29 2 *", HOUR))
    leap_sunday = window(opening("0 0 29 2 */7", HOUR))

    assert look(leap, "2096-03-01T00:00Z")[1] == "2104-02-29T00:00:00+00:00"
    assert look(leap_sunday, "2088-03-01T00:00Z")[1] == "2128-02-29T00:00:00+00:00"


def test_a_window_that_never_opens_again_has_no_next_opening() -> None:
    never = window(opening("0 2 * * *", HOUR), blackouts=["2000-01-01..2099-12-31"])

    assert look(never, "2026-05-02T02:30Z") == (None, None)


@pytest.mark.parametrize(
    "always", [opening("0 0 * * *", DAY), opening("*/15 * * * *", DAY), opening("* * * * *", 60.0)]
)
def test_a_window_that_stays_open_closes_at_the_end_of_the_lookahead(always: Opening) -> None:
    now = at("2026-05-02T02:30Z")

    assert window_status(window(always), now) == WindowStatus(
        now, now + MAX_LOOKAHEAD, now + MAX_LOOKAHEAD, None
    )


# The oracle --------------------------------------------------------------------------------------

DAYS_OF_NOTE = {
    "Europe/Berlin": ["2026-03-29", "2026-10-25"],
    "America/New_York": ["2026-03-08", "2026-11-01"],
    "Asia/Shanghai": ["2026-05-02", "2026-12-31"],
    "Australia/Lord_Howe": ["2026-04-05", "2026-10-04"],  # half an hour
    "America/Sao_Paulo": ["2018-02-18", "2018-11-04"],  # at midnight
    "America/St_Johns": ["2010-03-14", "2010-11-07"],  # a minute after midnight
    "Pacific/Apia": ["2011-12-30"],  # a day left out
    "Africa/Casablanca": ["2026-02-15", "2026-03-22"],  # Ramadan
}


class Oracle:
    """A window over some days, minute by minute, computed from the zones' local times."""

    def __init__(self, where: Window, since: float, until: float) -> None:
        # An opening from before `since` may last into these days, and a zone may skip a day.
        longest = max(one.lasts for one in where.openings)
        self.minutes = range(int(since - longest - 3 * DAY), int(until), 60)
        self.open = set[int]()
        for one in where.openings:
            for opens in self._openings(one):
                self.open.update(range(opens, int(opens + one.lasts), 60))
        for days in where.blackouts:
            self.open.difference_update(self._blacked_out(days, where.zone))

    def _openings(self, one: Opening) -> list[int]:
        """The minutes in which local time reaches a moment of the schedule, or skips it."""
        found = []
        latest = _clock(self.minutes[0] - 60, one.zone)
        for minute in self.minutes:
            shown = _clock(minute, one.zone)
            # In a gap several minutes of local time pass at once; in an overlap, none.
            while latest < shown:
                latest += timedelta(minutes=1)
                if one.schedule.falls_on(latest.date()) and latest.time() in one.schedule.times:
                    found.append(minute)
        return found

    def _blacked_out(self, days: Days, zone: ZoneInfo) -> list[int]:
        """The minutes from the first one on the days, or after a skipped one, to the last one."""
        shown = [(minute, _clock(minute, zone).date()) for minute in self.minutes]
        from_first = [minute for minute, day in shown if day >= days.first]
        to_last = [minute for minute, day in shown if day <= days.last]
        if not (from_first and to_last):
            return []
        return list(range(from_first[0], to_last[-1] + 60, 60))

    def look(self, minute: int) -> tuple[int | None, int | None]:
        """When it closes and when it opens next, both within the oracle's days."""
        rest = [one in self.open for one in range(minute, self.minutes.stop, 60)]
        changes = [
            minute + 60 * number
            for number, (before, after) in enumerate(pairwise(rest), 1)
            if before != after
        ]
        closes, opens = (*changes, None, None)[:2] if rest[0] else (None, (*changes, None)[0])
        return closes, opens


def _clock(moment: float, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(moment, zone).replace(tzinfo=None)


@st.composite
def openings(draw: st.DrawFn, zone: str) -> Opening:
    minute = draw(st.sampled_from(["0", "1", "30", "59", "*/20", "*"]))
    hour = draw(st.sampled_from(["0", "1", "2", "3", "1-3", "*/6", "12", "23", "*"]))
    days = draw(st.sampled_from(["* * *", "* * *", "* * SUN", "*/2 * *", "1 * SAT", "30 * *"]))
    lasts = draw(st.sampled_from([1, 20, 60, 61, 180, 1440, 3000]))
    return opening(f"{minute} {hour} {days}", lasts * MINUTE, zone)


@st.composite
def blackouts(draw: st.DrawFn, near: date) -> Days:
    first = near + timedelta(days=draw(st.integers(-2, 2)))
    return Days(first, first + timedelta(days=draw(st.integers(0, 1))))


@st.composite
def windows(draw: st.DrawFn) -> tuple[Window, int]:
    """A window, and the noon before a day on which its zone changes its local time."""
    zones = draw(st.lists(st.sampled_from(sorted(DAYS_OF_NOTE)), min_size=1, max_size=2))
    day = date.fromisoformat(draw(st.sampled_from(DAYS_OF_NOTE[zones[0]])))
    where = Window(
        tuple(draw(openings(zone)) for zone in zones),
        ZoneInfo(zones[0]),
        tuple(draw(st.lists(blackouts(day), max_size=2))),
    )
    return where, int(at(f"{day - timedelta(days=1)}T12:00Z"))


# Few examples, because the oracle reads the clock for every minute of a week.
@settings(max_examples=40, deadline=None)
@given(windows(), st.lists(st.integers(0, 2 * 1440), min_size=5, max_size=5))
def test_every_moment_agrees_with_the_oracle(case: tuple[Window, int], minutes: list[int]) -> None:
    where, noon = case
    until = noon + 3 * DAY
    oracle = Oracle(where, noon, until)

    def shown(moment: float) -> tuple[float | None, float | None]:
        seen = window_status(where, moment)
        # The oracle does not know what happens after its days.
        closes, opens = (
            None if one is None or one >= until else one for one in (seen.closes_at, seen.opens_at)
        )
        assert seen.may_send == (int(moment) // 60 * 60 in oracle.open)
        return closes, opens

    # Nothing changes within a minute.
    for minute in (noon + 60 * number for number in minutes):
        assert shown(minute) == shown(minute + 59.5) == oracle.look(minute)
