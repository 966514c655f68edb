"""Quantities as text: durations, rates, sizes, percentages, and the timestamps of servers.

Each `read_*` raises ValueError with a sentence that shows the right form. Each `write_*` renders
text that its reader turns into the same number. Timestamps come from servers and not from people,
so their readers return None instead of raising an error.
"""

import re
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Final, TypeAlias

import msgspec

# Bounded lengths: a longer number is a mistake, and float() of it may be infinite.
_NUMBER: Final = r"[0-9]{1,9}(?:\.[0-9]{1,20})?"
_SECONDS: Final = MappingProxyType({"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0})
_LONGEST: Final = 10 * 366 * 86_400.0
"""Seconds; ten years, so that adding a duration to any timestamp cannot overflow."""
_DURATION: Final = re.compile(rf"(?:{_NUMBER}(?:ms|s|m|h))+")
_DURATION_PART: Final = re.compile(rf"({_NUMBER})(ms|s|m|h)")
_AGES: Final = MappingProxyType({"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0})
_AGE: Final = re.compile(r"(?:[0-9]{1,6}[smhdw])+")
_AGE_PART: Final = re.compile(r"([0-9]{1,6})([smhdw])")
_RATE: Final = re.compile(rf"({_NUMBER})/(s|m|h)")
_PERCENT: Final = re.compile(rf"({_NUMBER})%")

_SIZE: Final = re.compile(r"([0-9]{1,9})(?:([kmg])(?:i?b|i)?)?", re.IGNORECASE)
_BYTES: Final = MappingProxyType({"": 1, "k": 2**10, "m": 2**20, "g": 2**30})
_DECIMALS: Final = 6
"""Digits that are kept after the point: `0.1s` and `100ms` become the same number."""

SLOWEST: Final = 1 / 3600
"""The slowest rate that a plan can ask for: one an hour, as a rate per second."""


class Percent(msgspec.Struct, frozen=True, order=True):
    """A percentage, more than 0 and at most 100."""

    value: float

    def __str__(self) -> str:
        return f"{_plain(self.value)}%"


Amount: TypeAlias = int | Percent
"""A count, or a percentage of a total that is not known yet."""


def read_duration(text: str) -> float:
    """Return the seconds of `30s`, `5m`, `2h`, `1h30m` or `500ms`, rounded to microseconds."""
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{text!r} is not a valid duration; write it as 30s, 5m, 2h or 1h30m")
    parts = _DURATION_PART.findall(text)
    seconds = round(sum(float(number) * _SECONDS[unit] for number, unit in parts), _DECIMALS)
    if seconds > _LONGEST:
        raise ValueError(f"{text!r} is longer than ten years; leave it out to set no limit")
    return seconds


def read_age(text: str) -> float:
    """Return the seconds of an age: `90d`, `2w`, `12h` or `1d12h`."""
    if not _AGE.fullmatch(text):
        raise ValueError(f"{text!r} is not a valid age; write it as 90d, 2w or 12h")
    return sum(float(number) * _AGES[unit] for number, unit in _AGE_PART.findall(text))


def read_since(text: str, now: float) -> float:
    """Return seconds since the epoch of a moment: RFC 3339, a date, or an age before `now`.

    Without a time zone the moment is in UTC, as in the names of runs.
    """
    moment = seconds_of_rfc3339(text)
    if moment is None and _AGE.fullmatch(text):
        moment = now - read_age(text)
    if moment is None:
        raise ValueError(
            f"{text!r} is not a valid moment; write it as 2026-01-26, 2026-01-26T01:30 or 12h"
        )
    return moment


def write_duration(seconds: float) -> str:
    """Render seconds as `read_duration` reads them: `5400s`."""
    return f"{_plain(seconds)}s"


def read_rate(text: str) -> float:
    """Return the rate per second of `100/s`, `600/m` or `50/h`; at least one an hour."""
    found = _RATE.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is not a valid rate; write it as 100/s, 600/m or 50/h")
    rate = float(found[1]) / _SECONDS[found[2]]
    # Also refuses a rate of 0, with which a run would never send anything.
    if rate < SLOWEST:
        raise ValueError(f"{text!r} is slower than one an hour; write 1/h or more")
    return rate


def write_rate(per_second: float) -> str:
    """Render a rate as `read_rate` reads it: `100/s`."""
    return f"{_plain(per_second)}/s"


def read_size(text: str) -> int:
    """Return the bytes of `512k`, `100M` or `2GiB`; each unit is 1024 times the smaller one."""
    found = _SIZE.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is not a valid size; write it as 512k, 100M or 2G")
    return int(found[1]) * _BYTES[(found[2] or "").lower()]


def read_percent(text: str) -> Percent:
    """Read a percentage such as `2%` or `0.5%`."""
    found = _PERCENT.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is not a valid percentage; write it as 10%")
    value = round(float(found[1]), _DECIMALS)
    if not 0 < value <= 100:  # noqa: PLR2004 - what percent means
        raise ValueError(f"{text!r} is out of range; a percentage is more than 0% and at most 100%")
    return Percent(value)


def seconds_of_http_date(header: str) -> float | None:
    """Return an HTTP date (RFC 9110, section 5.6.7) in seconds since the epoch, or None."""
    try:
        return _timestamp(parsedate_to_datetime(header))
    except _NOT_A_TIME:
        return None


def seconds_of_rfc3339(text: str) -> float | None:
    """Return an RFC 3339 timestamp in seconds since the epoch, or None."""
    try:
        return _timestamp(datetime.fromisoformat(text))
    except _NOT_A_TIME:
        return None


# More than ValueError, because the standard library passes numbers of any length to C integers.
_NOT_A_TIME: Final = (ValueError, TypeError, IndexError, OverflowError)


def _timestamp(moment: datetime) -> float:
    # "-0000" and a missing zone parse as naive; both formats mean UTC then.
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _plain(number: float) -> str:
    """Render a number exactly, without an exponent and without trailing zeros after the point."""
    # `repr` is the shortest text that reads back to the same float; `Decimal` keeps its digits.
    return format(Decimal(repr(number)).normalize(), "f")
