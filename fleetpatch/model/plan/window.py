"""The plan's `window`: when a run may send patches.

The section contains one opening itself, or several in its `any`; `check_window` finds keys that
cannot be combined. Custom floors only use the `fleetpatch.model.window.Window` made from it.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Annotated, ClassVar, Final, TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from fleetpatch.model import window
from fleetpatch.model.cron import Schedule
from fleetpatch.model.cron_warnings import warnings
from fleetpatch.model.fields import Json
from fleetpatch.model.plan.field_types import NonEmptyList, Seconds, duration_type, text_type
from fleetpatch.model.plan.problems import Finding
from fleetpatch.model.plan.section import Arranged, Section
from fleetpatch.model.plan.tree import mapping_at, sections
from fleetpatch.model.plan.value_types import Parsed, Schema
from fleetpatch.model.units import read_duration, write_duration

_OF_THIS_MACHINE: Final = frozenset({"localtime", "posixrules", "Factory"})
"""Names in a zone database whose meaning depends on the machine."""

_OTHER_CLOCKS: Final = ("posix/", "right/")
"""Prefixes of copies of all zones. Those of `right` count leap seconds; servers' clocks do not."""


def problem_of_cron(text: str) -> str | None:
    """Return what is wrong with `text` as a cron expression."""
    try:
        Schedule.parse(text)
    except ValueError as error:
        return str(error)
    return None


def problem_of_timezone(text: str) -> str | None:
    """Return what is wrong with `text` as the name of an IANA time zone."""
    try:
        ZoneInfo(text)
    except (ValueError, OSError, LookupError):  # a folder of zones, "Asia", is an OSError
        return _not_a_zone(text)
    if text in _OF_THIS_MACHINE or text.startswith(_OTHER_CLOCKS):
        return _not_a_zone(text)
    return None


def _not_a_zone(text: str) -> str:
    return f"{text!r} is not a valid time zone; use an IANA name such as Asia/Shanghai or UTC"


_LONGEST: Final = 31 * 86_400.0
"""Seconds; a longer opening is a mistake, or should be written as one that opens more often."""

_DRAIN: Final = 10.0
_SHARE: Final = 0.1
"""The default drain lets requests in flight end before the window closes: 10 s, but at most a tenth
of the shortest opening, so that a short one is not lost to it."""


def _problem_of_lasting(seconds: float) -> str | None:
    if seconds > _LONGEST:
        return f"must be at most {_LONGEST / 3600:g}h; use a schedule that opens more often"
    return None if seconds > 0 else "must be more than 0"


def _sorted(days: Iterable[window.Days]) -> list[window.Days]:
    # Neither order nor repetition has a meaning, so neither may change the digest.
    return sorted(set(days))


_DAY_PATTERN: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"

Cron: TypeAlias = Annotated[str, text_type(problem_of_cron)]
TimeZone: TypeAlias = Annotated[str, text_type(problem_of_timezone)]
Lasting: TypeAlias = Annotated[float, duration_type(_problem_of_lasting)]
Blackout: TypeAlias = Annotated[
    window.Days,
    Parsed(
        window.Days.parse,
        str,
        "a day such as 2026-12-24",
        keywords={
            "pattern": rf"^{_DAY_PATTERN}(\.\.{_DAY_PATTERN})?$",
            "examples": ["2026-12-24", "2026-12-31..2027-01-02"],
        },
    ),
]


class OpeningSection(Section, frozen=True, kw_only=True):
    """One of several openings of a window."""

    opens: Cron
    """When it opens: a cron expression of five fields."""
    lasts: Lasting
    """How long it stays open, in elapsed time, even if local time changes meanwhile."""
    timezone: TimeZone | None = None
    """The IANA time zone of `opens`. Absent: that of the window."""


class WindowSection(Section, frozen=True, kw_only=True):
    """When a run may send patches."""

    schema_of_keys: ClassVar[Schema] = {
        "oneOf": [{"required": ["opens", "lasts"]}, {"required": ["any"]}]
    }

    opens: Cron | None = None
    """When it opens: a cron expression of five fields."""
    lasts: Lasting | None = None
    """How long it stays open, in elapsed time, even if local time changes meanwhile."""
    any_of: NonEmptyList[OpeningSection] | None = msgspec.field(default=None, name="any")
    """Instead of opens and lasts: several openings; it is open while any of them is."""
    timezone: TimeZone = "UTC"
    """The IANA time zone of openings and blackouts, such as Asia/Shanghai."""
    blackouts: Annotated[NonEmptyList[Blackout], Arranged(_sorted)] = ()
    """Days on which nothing is sent, as 2026-12-24 or 2026-12-31..2027-01-02."""
    drain: Seconds | None = None
    """How long before closing requests stop. Absent: 10s, or a tenth of lasts if that is less."""

    def window(self) -> window.Window:
        """Return the window, independent of the plan file."""
        # `check_window` has ensured that there is one opening or `any`, and not both.
        given = [(one.opens, one.lasts, one.timezone or self.timezone) for one in self.any_of or ()]
        if self.opens is not None and self.lasts is not None:
            given.append((self.opens, self.lasts, self.timezone))
        return window.Window(
            openings=tuple(
                window.Opening(Schedule.parse(opens), lasts, ZoneInfo(zone))
                for opens, lasts, zone in given
            ),
            zone=ZoneInfo(self.timezone),
            blackouts=self.blackouts,
            drain=self._drain(),
        )

    def _drain(self) -> float:
        if self.drain is not None:
            return self.drain
        lasting = [self.lasts, *(one.lasts for one in self.any_of or ())]
        return min(_DRAIN, _SHARE * min(lasts for lasts in lasting if lasts is not None))


def window_warnings(section: WindowSection, now: datetime) -> Iterator[Finding]:
    """Find openings that may be unexpected; the findings name the next days from `now`."""
    # The path of an opening is that of its key `opens` in the file, for the place of a warning.
    openings = [(("window", "opens"), section.opens, section.timezone)] + [
        (("window", "any", position, "opens"), one.opens, one.timezone or section.timezone)
        for position, one in enumerate(section.any_of or ())
    ]
    for path, opens, zone in openings:
        if opens is not None:
            today = now.astimezone(ZoneInfo(zone)).date()
            for what in warnings(Schedule.parse(opens), today, section.blackouts):
                yield Finding(path, what)


def check_window(tree: Json) -> Iterator[Finding]:
    """Find keys that are missing or cannot be combined in the plan's window."""
    section = mapping_at(tree, ()).get("window")
    if not isinstance(section, dict):
        return
    several = "any" in section
    for key, what in (("opens", "a cron expression"), ("lasts", "how long it stays open")):
        if several and key in section:
            misplaced = "cannot be combined with any; move it into one of its entries, or remove it"
            yield Finding(("window", key), misplaced, of_key=True)
        elif not several and key not in section:
            yield Finding(("window", key), f"is missing; add {what}, or several openings as any")
    # Only a drain that is written can be too long; the default is a share of the shortest opening.
    drain = _seconds(section.get("drain"))
    for path in (("window",), *sections(tree, ("window", "any"))):
        lasts = _seconds(mapping_at(tree, path).get("lasts"))
        if drain is not None and lasts is not None and 0 < lasts <= drain:
            yield Finding(
                (*path, "lasts"),
                f"is not longer than the drain of {write_duration(drain)}, so nothing would be"
                " sent; make it longer, or window.drain shorter",
            )


def _seconds(written: Json) -> float | None:
    """Return the seconds of a duration, or None."""
    try:
        return read_duration(written) if isinstance(written, str) else None
    except ValueError:
        return None
