"""The maintenance window of a run: openings, and days on which nothing is sent.

`fleetpatch.rules.running.window` decides from it whether a run may send at a time.
"""

import re
from datetime import date
from typing import Final, Self
from zoneinfo import ZoneInfo

import msgspec

from fleetpatch.model.cron import Schedule

_DAYS: Final = re.compile(
    r"(?P<first>[0-9]{4}-[0-9]{2}-[0-9]{2})(?:\.\.(?P<last>[0-9]{4}-[0-9]{2}-[0-9]{2}))?", re.ASCII
)

_YEARS: Final = range(1970, 3000)
"""Years that a timestamp of the system clock can be in; others are typing errors."""


class Opening(msgspec.Struct, frozen=True):
    """Opens whenever local time in `zone` matches `schedule`, for `lasts` elapsed seconds."""

    schedule: Schedule
    lasts: float
    zone: ZoneInfo


class Days(msgspec.Struct, frozen=True, order=True):
    """Whole days, from `first` to `last`, both included."""

    first: date
    last: date

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `2026-12-24` or `2026-12-31..2027-01-02`. Raises ValueError."""
        found = _DAYS.fullmatch(text)
        if not found:
            raise ValueError(
                f"{text!r} is not a valid day; write 2026-12-24, or 2026-12-31..2027-01-02"
            )
        first = _day(found["first"])
        last = _day(found["last"] or found["first"])
        # An empty range would silently black out nothing.
        if last < first:
            raise ValueError(f"{text!r} ends before it begins; write the earlier day first")
        return cls(first, last)

    def __str__(self) -> str:
        return f"{self.first}..{self.last}" if self.first < self.last else str(self.first)


class Window(msgspec.Struct, frozen=True):
    """A window is open while any of its openings is, except on `blackouts`, days in `zone`.

    `drain` are the last seconds before it closes, in which no new request is sent.
    """

    openings: tuple[Opening, ...]
    zone: ZoneInfo
    blackouts: tuple[Days, ...] = ()
    drain: float = 0.0


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not in the calendar; check month and day") from None
    if day.year not in _YEARS:
        raise ValueError(f"{text!r} is outside the years 1970 to 2999; check the year")
    return day
