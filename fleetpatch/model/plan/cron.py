"""The shape of a cron expression, and the names of time zones."""

import re
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

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


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    least: int
    most: int
    words: tuple[str, ...] = ()

    def number(self, text: str) -> int | None:
        """Read a number, or a name where the field has names; None where it is neither."""
        if text in self.words:
            return self.words.index(text) + self.least
        value = int(text) if text.isdigit() else None
        return value if value is not None and self.least <= value <= self.most else None

    def accepts(self, item: str) -> bool:
        found = _ITEM.fullmatch(item.upper())
        if not found or found["step"] in {"0", "00"}:
            return False
        ends = [self.number(end) for end in (found["first"], found["last"]) if end]
        return None not in ends and ends == sorted(end for end in ends if end is not None)


_FIELDS: Final = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 7, _DAYS),
)


def problem_of_cron(text: str) -> str | None:
    """Say what keeps `text` from being a cron expression."""
    parts = text.split()
    if len(parts) != len(_FIELDS):
        return (
            f"{text!r} has {len(parts)} fields and a cron expression has five: minute, hour, day"
            ' of month, month, day of week, as in "0 2 * * SAT"'
        )
    for field, part in zip(_FIELDS, parts, strict=True):
        if not all(field.accepts(item) for item in part.split(",")):
            return (
                f"{part!r} is no {field.name}; write *, or numbers from {field.least} to"
                f" {field.most}, ranges (1-5) and steps (*/10), joined by commas"
            )
    return None


def problem_of_timezone(text: str) -> str | None:
    """Say what keeps `text` from being the name of an IANA time zone."""
    try:
        ZoneInfo(text)
    except (ValueError, OSError, LookupError):  # a folder of zones, "Asia", is an OSError
        return f"{text!r} is no time zone; use an IANA name such as Asia/Shanghai or UTC"
    return None
