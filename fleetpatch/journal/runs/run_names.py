"""The names of runs: `relabel-ml-teams-20260301T0200Z-4f9a1c`.

A name begins with the name of its campaign: that of its plan, with `undo-` in front for an undo.
Then follow the minute of planning in UTC, and six hexadecimal digits: four for the part of the
minute, so that names can be sorted by age, and two at random. Versions before 0.2 wrote the seconds
into the time, and three digits each for the part of the second and at random.
"""

import re
from datetime import UTC, datetime
from typing import Final, NamedTuple, TypeAlias

UNDO: Final = "undo-"
"""Begins the name of the campaign of an undo."""

_NAME: Final = re.compile(
    r"(?P<campaign>.+)-(?P<minute>\d{8}T\d{4})(?P<second>\d\d)?Z-(?P<digits>[0-9a-f]{6})"
)
_MINUTE: Final = "%Y%m%dT%H%M"
_PARTS_OF_A_MINUTE: Final = 0x10000
_PARTS_OF_A_SECOND: Final = 0x1000

Age: TypeAlias = tuple[str, float]
"""When a run was planned: the minute, and the seconds after it. Greater is later."""


class RunName(NamedTuple):
    """The parts of a run's name."""

    campaign: str
    planned: Age


def compose(campaign: str, moment: datetime, salt: int) -> str:
    """Return the name of a new run; `moment` is aware, and `salt` is a random number of 8 bits."""
    utc = moment.astimezone(UTC)
    part = int((utc.second + utc.microsecond / 1e6) / 60 * _PARTS_OF_A_MINUTE)
    return f"{campaign}-{utc:{_MINUTE}}Z-{part:04x}{salt & 0xFF:02x}"


def parse(name: str) -> RunName | None:
    """Return the parts of a run's name; None for a name that a person gave to a run file."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    digits = found["digits"]
    if found["second"] is None:
        seconds = int(digits[:4], 16) / _PARTS_OF_A_MINUTE * 60
    else:
        seconds = int(found["second"]) + int(digits[:3], 16) / _PARTS_OF_A_SECOND
    return RunName(found["campaign"], (found["minute"], seconds))


def without_undo(campaign: str) -> str:
    """Return the campaign that this one undoes, or itself."""
    return campaign.removeprefix(UNDO)


def age_of(moment: datetime) -> Age:
    """Return the age that a run has which was planned at `moment`, which is aware."""
    utc = moment.astimezone(UTC)
    return f"{utc:{_MINUTE}}", utc.second + utc.microsecond / 1e6


def seconds_of(age: Age) -> float:
    """Return an age in seconds since the epoch."""
    minute, seconds = age
    return datetime.strptime(f"{minute}+0000", f"{_MINUTE}%z").timestamp() + seconds
