"""Warnings about valid cron expressions that often mean something unexpected.

Covered: both day fields restricted, steps in a day field beside another one, days that not every
month has, steps that do not divide evenly, Sunday twice; that usual expressions have none; the
places in the plan file. Left out: what cron means itself (test_cron), what the verbs print
(tests/cli/test_warnings).
"""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.model.cron import Schedule
from fleetpatch.model.cron_warnings import warnings
from fleetpatch.model.plan.load import parse_plan
from fleetpatch.model.window import Days
from tests.model.plans import MINIMAL

TODAY = date(2026, 11, 26)
"""A Thursday."""


def warnings_of(text: str, today: date = TODAY) -> list[str]:
    return list(warnings(Schedule.parse(text), today))


@pytest.mark.parametrize(
    ("text", "what", "days"),
    [
        (
            "0 2 1-7 * SUN",
            "opens on day of month 1-7 and also on every day of week SUN, as in cron",
            "Sun 2026-11-29, Tue 2026-12-01, Wed 2026-12-02, Thu 2026-12-03, Fri 2026-12-04",
        ),
        (
            "0 2 13 * FRI",
            "opens on day of month 13 and also on every day of week FRI",
            "Fri 2026-11-27, Fri 2026-12-04, Fri 2026-12-11, Sun 2026-12-13, Fri 2026-12-18",
        ),
        (
            "0 2 1 * 0-6",
            "opens on day of month 1 and also on every day of week 0-6",
            "Thu 2026-11-26, Fri 2026-11-27, Sat 2026-11-28, Sun 2026-11-29, Mon 2026-11-30",
        ),
        (
            "0 2 */2 * SUN",
            "opens where day of month */2 and day of week SUN both hold, as in cron; a Kubernetes",
            "Sun 2026-11-29, Sun 2026-12-13, Sun 2026-12-27, Sun 2027-01-03, Sun 2027-01-17",
        ),
        (
            "0 2 1-7 * */7",
            "opens where day of month 1-7 and day of week */7 both hold",
            "Sun 2026-12-06, Sun 2027-01-03, Sun 2027-02-07, Sun 2027-03-07, Sun 2027-04-04",
        ),
        (
            "0 2 31 * *",
            "does not open in February, April, June, September, November: there is no day 31",
            "Thu 2026-12-31, Sun 2027-01-31, Wed 2027-03-31, Mon 2027-05-31, Sat 2027-07-31",
        ),
        (
            "0 2 30,31 * *",
            "does not open in February: there is no day 30",
            "Mon 2026-11-30, Wed 2026-12-30, Thu 2026-12-31, Sat 2027-01-30, Sun 2027-01-31",
        ),
        (
            "0 2 29 2 *",
            "opens in February in leap years only",
            "Tue 2028-02-29, Sun 2032-02-29",
        ),
        (
            "0 2 * * 0,7",
            "0,7 contains Sunday twice: 0 and 7 are both Sunday",
            "Sun 2026-11-29, Sun 2026-12-06, Sun 2026-12-13, Sun 2026-12-20, Sun 2026-12-27",
        ),
        (
            "0 2 * * SUN,7",
            "SUN,7 contains Sunday twice",
            "Sun 2026-11-29, Sun 2026-12-06, Sun 2026-12-13, Sun 2026-12-20, Sun 2026-12-27",
        ),
    ],
)
def test_a_warning_names_the_next_days(text: str, what: str, days: str) -> None:
    found = [one for one in warnings_of(text) if "does not divide" not in one]

    assert len(found) == 1
    assert found[0].startswith(what)
    assert found[0].endswith(f"; it opens next on {days}")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("*/40 * * * *", "*/40 does not divide the hour evenly: it is minute 0, 40, and begins"),
        ("0 */5 * * *", "*/5 does not divide the day evenly: it is hour 0, 5, 10, 15, 20, and"),
        ("0 2 */10 * *", "*/10 does not divide the month evenly: it is day of month 1, 11, 21, 31"),
        ("0 2 1 */5 *", "*/5 does not divide the year evenly: it is month 1, 6, 11, and begins"),
        ("0 2 * * */2", "*/2 does not divide the week evenly: it is day of week 0, 2, 4, 6, and"),
        ("1,*/7 2 * * *", "*/7 does not divide the hour evenly"),
    ],
)
def test_a_step_that_does_not_divide_evenly_has_a_warning(text: str, what: str) -> None:
    (found,) = warnings_of(text)

    assert found.startswith(what)


@pytest.mark.parametrize(
    "text",
    [
        *("* * * * *", "0 2 * * SAT", "0 2 * * SAT,SUN", "0 2 1-7 * *", "0 2 1,15 * *"),
        *("0 2 28-31 * *", "0 2 1,31 * *", "0 2 31 1,3,5 *", "0 2 * * 7", "0 2 * * 0"),
        *("*/15 */6 * * *", "0 2 * */3 *", "0-59/7 * * * *", "0 2 * * 1-5", "0 2 * * 5-7"),
        *("0 2 1-31 * 0-6", "0 2 */1 * SUN"),
    ],
)
def test_a_usual_expression_has_no_warning(text: str) -> None:
    assert warnings_of(text) == []


def test_days_on_which_it_stays_closed_are_not_named() -> None:
    closed = (Days(date(2026, 12, 1), date(2026, 12, 31)),)

    (found,) = warnings(Schedule.parse("0 2 31 * *"), TODAY, closed)

    assert "next on Sun 2027-01-31, " in found
    (found,) = warnings(Schedule.parse("0 2 31 * *"), TODAY, (Days(TODAY, date(2999, 1, 1)),))
    assert found.endswith("; it does not open in the next nine years")


FIELD = st.sampled_from(["*", "*/2", "*/5", "1", "1-3", "2,4"])


@given(FIELD, FIELD, FIELD, FIELD, FIELD, st.dates(date(1999, 1, 1), date(2100, 1, 1)))
def test_it_opens_on_every_day_that_a_warning_names(
    minute: str, hour: str, day: str, month: str, weekday: str, today: date
) -> None:
    schedule = Schedule.parse(f"{minute} {hour} {day} {month} {weekday}")

    for warning in warnings(schedule, today):
        named = warning.partition("it opens next on ")[2].split(", ")
        for text in filter(None, named):
            opened = date.fromisoformat(text[4:])
            assert opened >= today
            assert schedule.falls_on(opened)


def test_warnings_have_their_place_in_the_plan_file() -> None:
    one = 'window: {opens: "0 2 1-7 * SUN", lasts: 1h}\n'
    several = (
        'window: {any: [{opens: "0 2 * * SAT", lasts: 1h}, {opens: "0 2 31 * *", lasts: 1h}]}\n'
    )
    now = datetime(2026, 11, 26, 12, tzinfo=UTC)

    (first,) = parse_plan(MINIMAL + one, "p").warnings(now)
    (other,) = parse_plan(MINIMAL + several, "p").warnings(now)

    assert str(first).startswith("p:10:17: warning: window.opens: opens on day of month 1-7 and")
    assert str(other).startswith("p:10:59: warning: window.any[1].opens: does not open in February")
    assert parse_plan(MINIMAL, "p").warnings(now) == []


def test_the_days_are_those_of_the_windows_time_zone() -> None:
    window = 'window: {opens: "0 2 27 * FRI", lasts: 1h, timezone: Asia/Shanghai}\n'
    now = datetime(2026, 11, 27, 23, tzinfo=UTC)

    (found,) = parse_plan(MINIMAL + window, "p").warnings(now)

    assert "it opens next on Fri 2026-12-04" in str(found)
