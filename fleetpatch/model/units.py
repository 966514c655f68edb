"""Texts with a unit: durations, rates and percentages.

Each reader raises ValueError with a sentence that shows what would be right; each writer renders
what its reader reads back to the same number.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final, TypeAlias

_NUMBER: Final = r"[0-9]{1,9}(?:\.[0-9]{1,20})?"
_SECONDS: Final = MappingProxyType({"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0})
_LONGEST: Final = 10 * 366 * 86_400.0
_DURATION: Final = re.compile(rf"(?:{_NUMBER}(?:ms|s|m|h))+")
_DURATION_PART: Final = re.compile(rf"({_NUMBER})(ms|s|m|h)")
_RATE: Final = re.compile(rf"({_NUMBER})/(s|m|h)")
_PERCENT: Final = re.compile(rf"({_NUMBER})%")

_DECIMALS: Final = 6

SLOWEST: Final = 1 / 3600
"""The slowest rate there is: one an hour, as a rate per second."""


@dataclass(frozen=True, slots=True, order=True)
class Percent:
    """A share of a hundred, more than 0 and at most 100."""

    value: float

    def __str__(self) -> str:
        return f"{_plain(self.value)}%"


Amount: TypeAlias = int | Percent
"""A count, or a share of a total that is not known yet."""


def read_duration(text: str) -> float:
    """Seconds of `30s`, `5m`, `2h`, `1h30m`, `500ms`, to the microsecond."""
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{text!r} is no duration; write it as 30s, 5m, 2h or 1h30m")
    parts = _DURATION_PART.findall(text)
    seconds = round(sum(float(number) * _SECONDS[unit] for number, unit in parts), _DECIMALS)
    if seconds > _LONGEST:
        raise ValueError(f"{text!r} is longer than ten years; leave it out to set no limit")
    return seconds


def write_duration(seconds: float) -> str:
    """Render seconds, as `read_duration` reads them: `5400s`."""
    return f"{_plain(seconds)}s"


def read_rate(text: str) -> float:
    """How many per second, from `100/s`, `600/m`, `50/h`; never slower than one an hour."""
    found = _RATE.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is no rate; write it as 100/s, 600/m or 50/h")
    rate = float(found[1]) / _SECONDS[found[2]]
    if rate < SLOWEST:
        raise ValueError(f"{text!r} is slower than one an hour; write 1/h or more")
    return rate


def write_rate(per_second: float) -> str:
    """Render a rate, as `read_rate` reads it: `100/s`."""
    return f"{_plain(per_second)}/s"


def read_percent(text: str) -> Percent:
    """Read a percentage such as `2%` or `0.5%`."""
    found = _PERCENT.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is no percentage; write it as 10%")
    value = round(float(found[1]), _DECIMALS)
    if not 0 < value <= 100:  # noqa: PLR2004 - what percent means
        raise ValueError(f"{text!r} is out of range; a percentage is more than 0% and at most 100%")
    return Percent(value)


def _plain(number: float) -> str:
    """Render exactly, without an exponent and without a fraction of nothing."""
    return format(Decimal(repr(number)).normalize(), "f")
