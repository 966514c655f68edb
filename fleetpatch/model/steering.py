"""What people request of a run that is live or paused: to pause it, cancel it, change its pace.

The requests that a session has followed are kept in the run file, in their order. The pace in force
follows from them (`pace_in_force`), so it holds for later sessions, too. None of it changes the
plan or its digest.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from fleetpatch.model.units import SLOWEST

MAX_CONCURRENCY: Final = 1000
"""Requests in flight at most, as in a plan's `pace.concurrency`."""


class Action(StrEnum):
    """What a request asks for."""

    PAUSE = "pause"
    """Send nothing new, and end the session; the run is paused."""
    CANCEL = "cancel"
    """Send nothing new, and end the run."""
    PACE = "pace"
    """Set the rate, the concurrency or both, in place of the plan's."""


class Request(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One request; `at` is RFC 3339 in UTC, `by` is `user@host`, and `id` is unique.

    `session` is the session that it is for; empty for the next one as well. Of a change of the
    pace, a `rate` (per second) or `concurrency` that is None stays as it is. `reset` puts the
    plan's own back first.
    """

    id: str
    at: str
    by: str
    action: Action
    reason: str = ""
    session: str = ""
    rate: Annotated[float, Meta(ge=SLOWEST, le=1e9)] | None = None
    concurrency: Annotated[int, Meta(ge=1, le=MAX_CONCURRENCY)] | None = None
    reset: bool = False


class PaceInForce(msgspec.Struct, frozen=True):
    """The rate and the concurrency that people have set; None where the plan's own holds.

    `rate_by` and `concurrency_by` are those who set them.
    """

    rate: float | None = None
    concurrency: int | None = None
    rate_by: str = ""
    concurrency_by: str = ""


def pace_in_force(requests: Iterable[Request]) -> PaceInForce:
    """Return the pace that the requests leave, followed one after another."""
    pace = PaceInForce()
    for one in requests:
        if one.action is not Action.PACE:
            continue
        if one.reset:
            pace = PaceInForce()
        rate, rate_by = pace.rate, pace.rate_by
        concurrency, concurrency_by = pace.concurrency, pace.concurrency_by
        if one.rate is not None:
            rate, rate_by = one.rate, one.by
        if one.concurrency is not None:
            concurrency, concurrency_by = one.concurrency, one.by
        pace = PaceInForce(rate, concurrency, rate_by, concurrency_by)
    return pace
