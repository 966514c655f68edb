"""Formats numbers and durations, and explains each state and each reason code."""

import shlex
from types import MappingProxyType
from typing import Final

from fleetpatch.model.outcome import Reason
from fleetpatch.model.run import RunState, Summary, WindowState
from fleetpatch.model.steering import Action, Request
from fleetpatch.model.text import clean
from fleetpatch.model.times import rfc3339

MEANING: Final = MappingProxyType(
    {
        Reason.PATCHED: "changed, as the server's answer shows",
        Reason.SETTLED_BY_READING: "the answer was lost; a read showed the change",
        Reason.DRY_RUN: "would be patched: the server accepted the change, and stored nothing",
        Reason.ALREADY_SET: "had the wanted values already; nothing was changed",
        Reason.GONE: "it does not exist; it is not created",
        Reason.REPLACED: "deleted and created again since the plan; the new object was not changed",
        Reason.DRIFTED: "the same field was changed since the plan; that value was kept",
        Reason.NO_LONGER_MATCHES: "changed since the plan so that the selector no longer matches",
        Reason.CLASH: "has the new label already with another value; nothing was sent",
        Reason.EXISTS: "has another value already; it was kept, and nothing was sent",
        Reason.INAPPLICABLE: "the patch cannot be applied to its content; nothing was sent",
        Reason.OWNED: "another field manager owns a field of the apply; theirs was kept",
        Reason.UNREADABLE: "is nested too deep or cannot be decoded; it was not changed",
        Reason.REJECTED: "the server refused the change",
        Reason.FORBIDDEN: "the server does not allow us to change it",
        Reason.CONFLICT: "other writers kept changing it until the attempts were used up",
        Reason.EXHAUSTED: "the server kept failing, until the attempts or the time were used up",
        Reason.WEBHOOK_UNREACHABLE: "an admission webhook could not be reached; nothing was stored",
        Reason.NOT_EFFECTIVE: "the server accepted the change, but the wanted values are missing",
    }
)
"""The meaning of each reason; follows a number of targets in a sentence."""

STATE: Final = MappingProxyType(
    {
        RunState.PLANNING: "incomplete: its planning was interrupted, so it holds no targets",
        RunState.PLANNED: "planned, and nothing was sent yet",
        RunState.RUNNING: "being applied, or interrupted by a crash",
        RunState.PAUSED: "paused, and can be resumed",
        RunState.HALTED: "halted, and can be resumed",
        RunState.FINISHED: "finished",
    }
)
"""The meaning of each state of a run; follows "Run NAME is" in a sentence."""


def meaning(reason: Reason, *, undo: bool) -> str:
    """Return the meaning of a reason in a run, or in the undo of one.

    An undo compares the objects with what the run that it undoes has left.
    """
    if undo and reason is Reason.ALREADY_SET:
        return "was back already; nothing was sent"
    text = MEANING[reason]
    return text.replace("since the plan", "since the run that is undone") if undo else text


def number(count: float) -> str:
    """Return a number like `1,234`."""
    return f"{count:,.0f}"


def several(count: int, noun: str) -> str:
    """Return `1 target` or `1,234 targets`; for nouns with a plural in s."""
    return f"{number(count)} {noun}" if count == 1 else f"{number(count)} {noun}s"


def duration(seconds: float) -> str:
    """Return `0.4 s`, `12.3 s`, `4 min 5 s` or `2 h 3 min`."""
    if seconds < 59.95:  # noqa: PLR2004  # .1f prints a larger number as 60.0
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:  # noqa: PLR2004  # minutes in an hour
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def moment(seconds: float) -> str:
    """Return seconds since the epoch as `2026-11-26T20:15:00Z`."""
    return str(rfc3339(seconds))


def window_text(window: WindowState) -> str:
    """Return `open until TIME (ZONE)`, `closed; it opens at TIME (ZONE)` and so on."""
    zone = clean(window.timezone)
    if window.is_open:
        until = f" until {moment(window.closes_at)}" if window.closes_at is not None else ""
        return f"open{until} ({zone})"
    if window.opens_at is None:
        return "closed, and does not open again"
    return f"closed; it opens at {moment(window.opens_at)} ({zone})"


def command(*words: str) -> str:
    """Return a command for the shell, quoted if needed: `fleetpatch apply RUN`."""
    return shlex.join(("fleetpatch", *words))


def kept(planned: Summary) -> str:
    """Say that a planned run stays, and how it is carried out."""
    return f"the run is kept: `{command('apply', *planned.words)}` carries it out"


_STEERED: Final = MappingProxyType({Action.PAUSE: "paused", Action.CANCEL: "cancelled"})


def steered(request: Request) -> str:
    """Return what a request changes: `paused by ann@ops: REASON`, `pace set by ann@ops: 50/s`."""
    if request.action is Action.PACE:
        what = "reset to the plan's" if request.reset else "set"
        parts = [] if request.rate is None else [rate(request.rate)]
        if request.concurrency is not None:
            parts.append(f"{number(request.concurrency)} in flight at most")
        values = f": {', '.join(parts)}" if parts else ""
        text = f"pace {what} by {request.by}{values}"
    else:
        text = f"{_STEERED[request.action]} by {request.by}"
    return clean(f"{text}: {request.reason}" if request.reason else text)


def rate(per_second: float) -> str:
    """Return a rate as `200/s`, or as `12/m` or `2.5/h` if it is less than one a second."""
    for unit, seconds in (("s", 1.0), ("m", 60.0)):
        if per_second * seconds >= 1.0 or not per_second:
            return f"{_decimal(per_second * seconds)}/{unit}"
    return f"{_decimal(per_second * 3600.0)}/h"


def _decimal(count: float) -> str:
    """Return a number with one digit after the point if it is small and not whole."""
    return number(count) if count >= 10.0 or round(count, 1) == round(count) else f"{count:.1f}"  # noqa: PLR2004
