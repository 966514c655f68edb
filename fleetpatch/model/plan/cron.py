"""What keeps a plan's texts from being a cron expression, or the name of a time zone."""

from typing import Final
from zoneinfo import ZoneInfo

from fleetpatch.model.cron import Schedule

_OF_THIS_MACHINE: Final = frozenset({"localtime", "posixrules", "Factory"})
"""Names that a zone database may hold and that mean something else on every machine."""

_OTHER_CLOCKS: Final = ("posix/", "right/")
"""Folders beside the zones; those of `right` count leap seconds, as no server's clock does."""


def problem_of_cron(text: str) -> str | None:
    """Say what keeps `text` from being a cron expression."""
    try:
        Schedule.parse(text)
    except ValueError as error:
        return str(error)
    return None


def problem_of_timezone(text: str) -> str | None:
    """Say what keeps `text` from being the name of an IANA time zone."""
    try:
        ZoneInfo(text)
    except (ValueError, OSError, LookupError):  # a folder of zones, "Asia", is an OSError
        return _no_zone(text)
    if text in _OF_THIS_MACHINE or text.startswith(_OTHER_CLOCKS):
        return _no_zone(text)
    return None


def _no_zone(text: str) -> str:
    return f"{text!r} is no time zone; use an IANA name such as Asia/Shanghai or UTC"
