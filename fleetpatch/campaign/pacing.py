"""A plan's pace, as the engine's pacer, and what the log says of it."""

import math
from typing import Any

from fleetpatch.campaign.settings import Settings
from fleetpatch.engine.pacer import Pacer
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.ports import Events
from fleetpatch.rules.pacing.governor import Cause, Pace

_FREE = frozenset({Cause.WORK, Cause.STARTING})
"""Nothing holds the pace back."""


def pacer_of(plan: Plan, settings: Settings, cluster: str, log: Events) -> Pacer:
    """A pacer for one cluster; without a burst of its own, a plan may send one second's worth.

    It writes `pace.changed` into the log, and tells the progress what limits it.
    """
    pace, clock = plan.pace, settings.clock
    burst = pace.burst or (max(1, math.ceil(pace.rate)) if pace.rate else 1)

    def changed(old: Pace, new: Pace) -> None:
        settings.progress.limited(cluster, _in_words(new))
        until = (
            {} if new.until is None else {"resumes_in_s": round(new.until - clock.monotonic(), 1)}
        )
        log.info(
            "pace.changed",
            cluster=cluster,
            cause=new.cause,
            old=_shown(old),
            new=_shown(new),
            **until,
        )

    return Pacer(
        clock,
        pace.rate,
        burst,
        pace.in_flight,
        adaptive=pace.adaptive,
        longest_pause=plan.retry.max_delay,
        on_change=changed,
    )


def _shown(pace: Pace) -> dict[str, Any]:
    rate = None if pace.rate is None else round(pace.rate, 1)
    return {"concurrency": pace.concurrency, "rate": rate, "cause": pace.cause}


def _in_words(pace: Pace) -> str:
    """What holds it back, for the progress line; empty where nothing does."""
    if pace.cause in _FREE:
        return ""
    if pace.rate is None:
        return f"{pace.cause}, {pace.concurrency} in flight"
    return f"{pace.cause}, {pace.concurrency} in flight, {pace.rate:.0f}/s"
