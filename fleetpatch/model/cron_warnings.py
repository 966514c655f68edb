"""Warnings about cron expressions that are valid, but often mean something unexpected.

| expression | expected | cron |
|---|---|---|
| `0 2 1-7 * SUN` | the first Sunday of a month | days 1 to 7, and every Sunday |
| `0 2 */2 * SUN` | every second day, if it is a Sunday | the same; a CronJob runs on either |
| `0 2 31 * *` | the last day of each month | only in seven months of a year |
| `*/40 * * * *` | every 40 minutes | at minutes 0 and 40 of each hour |
| `0 2 * * 0,7` | two days a week | one day: 0 and 7 are both Sunday |

Sources: crontab(5) of Vixie's cron, and spec.go of robfig/cron, which Kubernetes uses.
"""

from calendar import month_name, monthrange
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import islice
from typing import Final

from fleetpatch.model.cron import FIELDS, Schedule
from fleetpatch.model.window import Days

_COMMON_YEAR: Final = 2026
"""Any year that is not a leap year: the lengths of months are those of most years."""
_FEBRUARY: Final = 2
_LEAP_DAY: Final = 29
_SHOWN: Final = 5
"""Days that a warning names: enough to see a pattern, and short enough for one line."""
_SEARCHED: Final = 9 * 366
"""Days to search for the next ones: 29 February may be eight years away (2096, 2104)."""

_ALL_DAYS: Final = 31
_ALL_WEEKDAYS: Final = 7
_CYCLES: Final = (("hour", 60), ("day", 24), ("month", None), ("year", 12), ("week", 7))
"""The cycle after which each field starts again, and its length; months vary in length."""


def warnings(schedule: Schedule, today: date, closed: Sequence[Days] = ()) -> Iterator[str]:
    """Describe what may be unexpected, with the next days from `today`, without those `closed`."""
    shown = ", ".join(f"{day:%a %Y-%m-%d}" for day in _next_days(schedule, today, closed))
    for what in (*_day_fields(schedule), *_missing_days(schedule), *_sunday(schedule)):
        yield (
            f"{what}; it opens next on {shown}"
            if shown
            else f"{what}; it does not open in the next nine years"
        )
    yield from _steps(schedule)


def _next_days(schedule: Schedule, today: date, closed: Sequence[Days]) -> Sequence[date]:
    days = (today + timedelta(days=number) for number in range(_SEARCHED))
    return list(islice((day for day in days if _is_open(schedule, day, closed)), _SHOWN))


def _is_open(schedule: Schedule, day: date, closed: Sequence[Days]) -> bool:
    return schedule.falls_on(day) and not any(one.first <= day <= one.last for one in closed)


def _day_fields(schedule: Schedule) -> Iterator[str]:
    _, _, days, _, weekdays = schedule.text.split()
    # `1-31` and `0-6` select every day, so it does not matter how the two fields are combined.
    all_days = len(schedule.days) == _ALL_DAYS
    all_weekdays = len(schedule.weekdays) == _ALL_WEEKDAYS
    if schedule.either and not (all_days and all_weekdays):
        yield (
            f"opens on day of month {days} and also on every day of week {weekdays}, as in cron; if"
            " only one of them is meant, put * in the other field"
        )
    elif not schedule.either and not (all_days or all_weekdays):
        yield (
            f"opens where day of month {days} and day of week {weekdays} both hold, as in cron; a"
            " Kubernetes CronJob would run on either"
        )


def _missing_days(schedule: Schedule) -> Iterator[str]:
    if schedule.either:
        return
    # A month that lacks the smallest day has no opening at all; one that lacks a larger day has.
    first = min(schedule.days)
    short = [one for one in sorted(schedule.months) if monthrange(_COMMON_YEAR, one)[1] < first]
    if short == [_FEBRUARY] and first == _LEAP_DAY:
        yield "opens in February in leap years only"
    elif short:
        months = ", ".join(month_name[one] for one in short)
        yield f"does not open in {months}: there is no day {first}"


def _sunday(schedule: Schedule) -> Iterator[str]:
    weekdays = schedule.text.split()[-1]
    if not weekdays.startswith("*") and {0, 7} <= FIELDS[-1].read(weekdays):
        yield f"{weekdays} contains Sunday twice: 0 and 7 are both Sunday"


def _steps(schedule: Schedule) -> Iterator[str]:
    for text, field, (cycle, size) in zip(schedule.text.split(), FIELDS, _CYCLES, strict=True):
        for item in text.split(","):
            base, slash, step = item.partition("/")
            # Days of a month never divide evenly, because months differ in length.
            if base == "*" and slash and int(step) > 1 and (size is None or size % int(step)):
                numbers = ", ".join(map(str, sorted(field.read(item))))
                yield (
                    f"{item} does not divide the {cycle} evenly: it is {field.name} {numbers}, and"
                    f" begins again with the next {cycle}"
                )
