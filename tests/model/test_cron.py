"""Cron expressions: what they select, and what is refused.

Covered: every form of a field, names, Sunday by both its numbers, the two day fields together and
alone, 29 February; as a property, that a random expression selects what its parts select. Left
out: time zones (tests/rules/running/test_window.py), and the places of mistakes in a plan file
(tests/model/plan/test_plan_mistakes.py).
"""

from collections.abc import Callable
from datetime import date, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.model.cron import Schedule
from fleetpatch.model.plan.window import problem_of_cron, problem_of_timezone

YEAR = [date(2028, 1, 1) + timedelta(days=day) for day in range(366)]
"""The days of a leap year."""

MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]


def days(text: str) -> list[date]:
    schedule = Schedule.parse(f"0 0 {text}")
    return [day for day in YEAR if schedule.falls_on(day)]


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("7", [7]),
        ("0-3", [0, 1, 2, 3]),
        ("5,1,5,01", [1, 5]),
        ("*/20", [0, 20, 40]),
        ("10-20/5", [10, 15, 20]),
        ("10-19/9,59", [10, 19, 59]),
        ("3-3", [3]),
        ("*", list(range(60))),
    ],
)
def test_a_field_is_a_list_of_numbers_ranges_and_steps(text: str, minutes: list[int]) -> None:
    assert Schedule.parse(f"{text} 2 * * *").times == tuple(time(2, minute) for minute in minutes)


def test_times_ascend_over_the_day() -> None:
    assert Schedule.parse("30,0 22,2 * * *").times == (
        time(2, 0),
        time(2, 30),
        time(22, 0),
        time(22, 30),
    )


@pytest.mark.parametrize("text", ["* * SUN", "* * 0", "* * 7", "* * sun", "* * */7"])
def test_sunday_can_be_written_in_several_ways(text: str) -> None:
    assert days(text) == [day for day in YEAR if day.isoweekday() == 7]


@pytest.mark.parametrize("text", ["* * FRI-SAT,SUN", "* * 5-7", "* * 0,5-6", "* * Fri,6,sun"])
def test_names_and_numbers_mix(text: str) -> None:
    assert days(text) == [day for day in YEAR if day.isoweekday() >= 5]


def test_months_have_names_too() -> None:
    assert days("1 JUN-8,dec *") == [date(2028, month, 1) for month in (6, 7, 8, 12)]


def test_of_two_restricted_day_fields_either_is_enough() -> None:
    assert days("13 * FRI") == [day for day in YEAR if day.day == 13 or day.isoweekday() == 5]
    # February has no 31st, so only the Fridays are left.
    assert days("31 2 FRI") == [day for day in YEAR if day.month == 2 and day.isoweekday() == 5]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("13 * *", lambda day: day.day == 13),
        ("* * FRI", lambda day: day.isoweekday() == 5),
        ("*/2 * FRI", lambda day: day.day % 2 == 1 and day.isoweekday() == 5),
        ("13 * */2", lambda day: day.day == 13 and day.isoweekday() in {2, 4, 6, 7}),
    ],
)
def test_a_day_field_that_begins_with_a_star_must_hold_as_well(
    text: str, meant: Callable[[date], bool]
) -> None:
    assert days(text) == [day for day in YEAR if meant(day)]


def test_the_29th_of_february_comes_in_leap_years() -> None:
    schedule = Schedule.parse("0 0 29 2 *")

    assert schedule.falls_on(date(2028, 2, 29))
    assert not any(schedule.falls_on(date(2027, 2, day)) for day in range(1, 29))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "has 0 fields"),
        ("@daily", "has 1 fields"),  # macros of cron are not supported
        ("0 2 * * * *", "has 6 fields"),
        ("60 2 * * *", "'60' is not a valid minute"),
        ("0 24 * * *", "'24' is not a valid hour"),
        ("0 2 0 * *", "'0' is not a valid day of month"),
        ("0 2 * 13 *", "'13' is not a valid month"),
        ("0 2 * MON *", "'MON' is not a valid month"),
        ("0 2 * * 8", "'8' is not a valid day of week"),
        ("0 2 * * FUN", "'FUN' is not a valid day of week"),
        # Extensions of Quartz
        ("0 2 L * *", "'L' is not a valid day of month"),
        ("0 2 ? * 1#2", "is not a valid day of month"),
        ("0 2 1,,2 * *", "'1,,2' is not a valid day of month"),
        ("-1 2 * * *", "'-1' is not a valid minute"),
        ("٣ 2 * * *", "is not a valid minute"),  # a digit to Python's `isdigit`
        ("1-2-3 2 * * *", "is not a valid minute"),
        ("*-5 2 * * *", "is not a valid minute"),
        ("0 22-2 * * *", "the hour range '22-2' runs backwards"),
        ("0 2 * * FRI-MON", "the day of week range 'FRI-MON' runs backwards"),
        ("*/0 2 * * *", "the step of minute '*/0' is out of range"),
        ("*/60 2 * * *", "the step of minute '*/60' is out of range"),
        ("5/10 2 * * *", "the step of minute '5/10' is out of range; a step follows"),
        ("0 2 30 2 *", "never opens: no year has such a day"),
        ("0 2 31 2,4,6,9,NOV */2", "never opens"),
    ],
)
def test_an_invalid_cron_expression_is_refused(text: str, what: str) -> None:
    problem = problem_of_cron(text)

    assert problem
    assert what in problem


def test_blanks_do_not_matter() -> None:
    assert str(Schedule.parse(" 0  2 *\t* SAT ")) == "0 2 * * SAT"


@pytest.mark.parametrize("text", ["UTC", "Asia/Shanghai", "Africa/Casablanca", "Etc/GMT+3"])
def test_time_zones_have_iana_names(text: str) -> None:
    assert problem_of_timezone(text) is None


@pytest.mark.parametrize(
    "text",
    ["", "Asia", "Asia/Nowhere", "../etc/passwd", "/etc/localtime", "+08:00", "localtime",
     "right/Asia/Shanghai", "posix/UTC", "Factory"],
)  # fmt: skip
def test_names_that_depend_on_the_machine_are_not_time_zones(text: str) -> None:
    problem = problem_of_timezone(text)

    assert problem
    assert "use an IANA name such as Asia/Shanghai" in problem


@st.composite
def fields(
    draw: st.DrawFn, least: int, most: int, words: list[str] | None = None
) -> tuple[str, set[int]]:
    """A field's text, and the numbers it selects."""

    def written(number: int) -> str:
        names = words or []
        index = number - least
        named = index < len(names) and draw(st.booleans())
        return draw(st.sampled_from([str.upper, str.lower]))(names[index]) if named else str(number)

    texts, selected = [], set[int]()
    for _ in range(draw(st.integers(1, 3))):
        first = draw(st.integers(least, most))
        last = draw(st.integers(first, most))
        step = draw(st.integers(1, last - first)) if last > first else 1
        match draw(st.sampled_from(["one", "range", "step", "star"])):
            case "one":
                texts.append(written(first))
                selected.add(first)
            case "range":
                texts.append(f"{written(first)}-{written(last)}")
                selected |= set(range(first, last + 1))
            case "step" if last > first:
                texts.append(f"{written(first)}-{written(last)}/{step}")
                selected |= set(range(first, last + 1, step))
            case _:
                step = draw(st.integers(1, most - least))
                texts.append("*" if step == 1 else f"*/{step}")
                selected |= set(range(least, most + 1, step))
    return ",".join(texts), selected


@given(
    minute=fields(0, 59),
    hour=fields(0, 23),
    day=fields(1, 31),
    month=fields(1, 12, MONTHS),
    weekday=fields(0, 7, WEEKDAYS),
)
def test_an_expression_selects_what_its_parts_say(
    minute: tuple[str, set[int]],
    hour: tuple[str, set[int]],
    day: tuple[str, set[int]],
    month: tuple[str, set[int]],
    weekday: tuple[str, set[int]],
) -> None:
    text = f"{minute[0]} {hour[0]} {day[0]} {month[0]} {weekday[0]}"
    # The rule is written out here independently of `Schedule`.
    together = day[0].startswith("*") or weekday[0].startswith("*")

    def meant(one: date) -> bool:
        of_week = bool({one.isoweekday(), one.isoweekday() % 7} & weekday[1])
        both = (one.day in day[1], of_week)
        return one.month in month[1] and (all(both) if together else any(both))

    if "never opens" in (problem_of_cron(text) or ""):
        assert not any(map(meant, YEAR))
        return
    schedule = Schedule.parse(text)
    assert schedule.times == tuple(time(h, m) for h in sorted(hour[1]) for m in sorted(minute[1]))
    assert [one for one in YEAR if schedule.falls_on(one)] == [one for one in YEAR if meant(one)]
