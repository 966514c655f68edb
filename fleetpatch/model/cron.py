"""Cron expressions of five fields: minute, hour, day of month, month, day of week.

They mean what crontab(5) says of Vixie's cron: `*`, numbers, names of months and days, ranges,
lists, steps after `*` or a range; Sunday is 0 and 7. If both day fields are restricted, a day that
matches either of them is enough; a field that begins with `*`, such as `*/2`, does not count as
restricted, and then both must match.

Expressions that other readers guess at are refused: ranges that run backwards, steps larger than
their range, `5/10`, which some read as `5` and some as `5-59/10`, and days that no year has. This
is why the reader is our own: cronsim and croniter accept some of these, and their errors do not say
which field is wrong and what to write instead. A schedule has no time zone: it is in local time.
"""

import re
from datetime import date, time
from typing import Final, Self

import msgspec

_MONTHS: Final = (
    *("JAN", "FEB", "MAR", "APR", "MAY", "JUN"),
    *("JUL", "AUG", "SEP", "OCT", "NOV", "DEC"),
)
_DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_ITEM: Final = re.compile(
    r"(?:\*|(?P<first>[0-9]{1,2}|[A-Z]{3})(?:-(?P<last>[0-9]{1,2}|[A-Z]{3}))?)"
    r"(?:/(?P<step>[0-9]{1,2}))?",
    re.ASCII,
)
_LEAP_YEAR: Final = 2000
"""Any leap year: a schedule for 29 February is valid."""

_WEEK: Final = 7
"""Days; also turns Sunday, which is 0 and 7, into 0."""


class Schedule(msgspec.Struct, frozen=True):
    """A cron expression, as the days that match and the times on each of them.

    `times` ascend. `weekdays` count from Sunday, 0, to Saturday, 6. `either` is set if a match of
    `days` or of `weekdays` is enough, instead of both. Every schedule matches some day.
    """

    text: str
    times: tuple[time, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a cron expression. Raises ValueError, which says what is wrong and what to write."""
        parts = text.split()
        if len(parts) != len(FIELDS):
            raise ValueError(
                f"{text!r} has {len(parts)} fields and a cron expression has five: minute, hour,"
                ' day of month, month, day of week, as in "0 2 * * SAT"'
            )
        minutes, hours, days, months, weekdays = (
            field.read(part) for field, part in zip(FIELDS, parts, strict=True)
        )
        schedule = cls(
            text=" ".join(parts),
            times=tuple(time(hour, minute) for hour in sorted(hours) for minute in sorted(minutes)),
            days=days,
            months=months,
            weekdays=frozenset(day % _WEEK for day in weekdays),
            # Vixie's cron looks at the first character of the field only, so `*/2` counts as `*`.
            either=not (parts[2].startswith("*") or parts[4].startswith("*")),
        )
        # With `either`, a weekday is enough, and every month has every weekday.
        if not schedule.either and not any(map(schedule._has_day, schedule.months)):
            raise ValueError(f"{text!r} never opens: no year has such a day; choose another one")
        return schedule

    def __str__(self) -> str:
        return self.text

    def falls_on(self, day: date) -> bool:
        """Report whether `times` apply on that day."""
        if day.month not in self.months:
            return False
        of_month, of_week = day.day in self.days, day.isoweekday() % _WEEK in self.weekdays
        return of_month or of_week if self.either else of_month and of_week

    def _has_day(self, month: int) -> bool:
        """Report whether the month has one of `days`, at least in leap years."""
        # The smallest day decides: a month that lacks it lacks the larger ones, too.
        try:
            date(_LEAP_YEAR, month, min(self.days))
        except ValueError:
            return False
        return True


class CronField(msgspec.Struct, frozen=True):
    """One of the five fields: its name, its range of numbers, and the words for them."""

    name: str
    least: int
    most: int
    words: tuple[str, ...] = ()

    def read(self, text: str) -> frozenset[int]:
        """Return the numbers that the text of a field selects. Raises ValueError if not valid."""
        return frozenset(number for item in text.split(",") for number in self._item(item, text))

    def _item(self, item: str, whole: str) -> range:
        # Names are not case-sensitive: `Sat` and `SAT`.
        found = _ITEM.fullmatch(item.upper())
        if found is None:
            raise self._invalid(whole)
        first, last = self.least, self.most
        if found["first"]:
            first = self._number(found["first"], whole)
            last = self._number(found["last"], whole) if found["last"] else first
        if last < first:
            raise ValueError(
                f"the {self.name} range {item!r} runs backwards; write a list or two ranges"
            )
        return range(first, last + 1, self._step(found["step"], last - first, item))

    def _step(self, text: str | None, largest: int, item: str) -> int:
        if text is None:
            return 1
        # A step larger than the range would select the first number only: most likely a mistake.
        if 1 <= int(text) <= largest:
            return int(text)
        raise ValueError(
            f"the step of {self.name} {item!r} is out of range; a step follows * or a range, as"
            f" in {self.least}-{self.most}/2, and is smaller than the range"
        )

    def _number(self, text: str, whole: str) -> int:
        if text in self.words:
            return self.words.index(text) + self.least
        if not text.isdigit() or not self.least <= int(text) <= self.most:
            raise self._invalid(whole)
        return int(text)

    def _invalid(self, text: str) -> ValueError:
        return ValueError(
            f"{text!r} is not a valid {self.name}; write *, or numbers from {self.least} to"
            f" {self.most}, ranges (1-5) and steps (*/10), joined by commas"
        )


FIELDS: Final = (
    CronField("minute", 0, 59),
    CronField("hour", 0, 23),
    CronField("day of month", 1, 31),
    CronField("month", 1, 12, _MONTHS),
    CronField("day of week", 0, 7, _DAYS),
)
"""The fields of a cron expression, in their order; Sunday is both 0 and 7."""
