"""The plan's `window`: when a run may send patches.

One opening stands in the section itself, several in its `any`; what goes with what is looked at in
`check_window`. The rules read none of this but the `fleetpatch.model.window.Window` it gives.

What keeps a plan's texts from being a cron expression, or the name of a time zone.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Final, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)

from fleetpatch.model import window
from fleetpatch.model.cron import Schedule
from fleetpatch.model.cron_warnings import warnings
from fleetpatch.model.fields import Json
from fleetpatch.model.plan.problems import Finding
from fleetpatch.model.plan.section import NOTHING_HERE, Given, ListOf, Seconds, Section, fine
from fleetpatch.model.plan.tree import mapping_at, sections
from fleetpatch.model.units import read_duration, write_duration

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


_LONGEST: Final = 31 * 86_400.0
"""Seconds; an opening that lasts longer is better written as one that comes more often."""

_DRAIN: Final = 10.0
_SHARE: Final = 0.1
"""Without a word about it, the drain is 10 s, but no more than a tenth of the shortest opening."""


def _bounded(seconds: float) -> float:
    if seconds > _LONGEST:
        raise ValueError(f"must be at most {_LONGEST / 3600:g}h; let it open more often instead")
    return seconds


def _read_days(value: object) -> window.Days:
    if value is None:
        raise ValueError(NOTHING_HERE)
    if not isinstance(value, str):
        raise ValueError("must be a day such as 2026-12-24")  # noqa: TRY004 - pydantic's protocol
    return window.Days.parse(value)


def _sorted(days: tuple[window.Days, ...]) -> tuple[window.Days, ...]:
    return tuple(sorted(set(days)))


_DAY_PATTERN: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"

Cron: TypeAlias = Annotated[str, fine(problem_of_cron)]
TimeZone: TypeAlias = Annotated[str, fine(problem_of_timezone)]
Lasting: TypeAlias = Annotated[Seconds, Field(gt=0), AfterValidator(_bounded)]
Blackout: TypeAlias = Annotated[
    window.Days,
    PlainValidator(_read_days),
    PlainSerializer(str, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": rf"^{_DAY_PATTERN}(\.\.{_DAY_PATTERN})?$",
            "examples": ["2026-12-24", "2026-12-31..2027-01-02"],
        }
    ),
]


class OpeningSection(Section):
    """One of several openings of a window."""

    opens: Cron
    """When it opens: a cron expression of five fields."""
    lasts: Lasting
    """How long it stays open, in real time whatever the clocks do."""
    timezone: Annotated[TimeZone | None, Given] = None
    """The IANA time zone of `opens`. Absent: that of the window."""


class WindowSection(Section):
    """When a run may send patches."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["opens", "lasts"]}, {"required": ["any"]}]}
    )

    opens: Annotated[Cron | None, Given] = None
    """When it opens: a cron expression of five fields."""
    lasts: Annotated[Lasting | None, Given] = None
    """How long it stays open, in real time whatever the clocks do."""
    any_of: Annotated[ListOf[OpeningSection] | None, Given] = Field(None, alias="any")
    """In place of opens and lasts: several openings; it is open where any of them is."""
    timezone: TimeZone = "UTC"
    """The IANA time zone of openings and blackouts, such as Asia/Shanghai."""
    blackouts: Annotated[ListOf[Blackout], AfterValidator(_sorted)] = ()
    """Days on which nothing is sent, as 2026-12-24 or 2026-12-31..2027-01-02."""
    drain: Annotated[Seconds | None, Given] = None
    """How long before it closes the last request is sent. Absent: 10s, or a tenth if shorter."""

    def window(self) -> window.Window:
        """Give when it is open, free of the file."""
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
    """Find openings that may surprise; the days that are named are those after `now`."""
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
    """Find what does not go together in the plan's window."""
    section = mapping_at(tree, ()).get("window")
    if not isinstance(section, dict):
        return
    several = "any" in section
    for key, what in (("opens", "a cron expression"), ("lasts", "how long it stays open")):
        if several and key in section:
            misplaced = "stands beside any; move it into one of its entries, or remove it"
            yield Finding(("window", key), misplaced, of_key=True)
        elif not several and key not in section:
            yield Finding(("window", key), f"is missing; add {what}, or several openings as any")
    drain = _seconds(section.get("drain"))
    for path in (("window",), *sections(tree, ("window", "any"))):
        lasts = _seconds(mapping_at(tree, path).get("lasts"))
        if drain is not None and lasts is not None and 0 < lasts <= drain:
            yield Finding(
                (*path, "lasts"),
                f"is over within the drain of {write_duration(drain)}, so that nothing would ever"
                " be sent; make it longer, or window.drain shorter",
            )


def _seconds(written: Json) -> float | None:
    """Read a duration, if it is one."""
    try:
        return read_duration(written) if isinstance(written, str) else None
    except ValueError:
        return None
