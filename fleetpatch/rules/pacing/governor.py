"""Everything together: may the next request go now, and what holds it back.

Ceilings are the plan's and are never exceeded. Below them, a plan that is `adaptive` follows what
the server shows: the latency and the wall limit requests in flight, refusals the rate. One that is
not still keeps to its ceilings and to the server's Retry-After.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import NamedTuple

from fleetpatch.rules.pacing.bucket import TokenBucket
from fleetpatch.rules.pacing.gradient import GradientLimit
from fleetpatch.rules.pacing.inflight_limit import InflightLimit
from fleetpatch.rules.pacing.pause import Pause
from fleetpatch.rules.pacing.rate_limit import RateLimit
from fleetpatch.rules.pacing.reply_signal import ReplySignal

_BURST_SECONDS = 0.01
"""What may go at once at a rate that was found: enough for timers that wake late."""
_OF_LATE = 1.0


@dataclass(frozen=True, slots=True)
class Ceilings:
    """What a plan allows: requests a second with `burst` at once, and requests in flight."""

    rate: float | None
    burst: int
    concurrency: int
    adaptive: bool


class PaceCause(StrEnum):
    """What limits the pace."""

    STARTING = "starting"
    """It still doubles; nothing is known about the server's limits."""
    LATENCY = "latency"
    """More in flight would only queue at the server."""
    REFUSALS = "refusals"
    """More would be refused (429, 503)."""
    RETRY_AFTER = "retry-after"
    """The server asked for a pause."""
    RATE = "rate"
    """The plan's ceiling."""
    CONCURRENCY = "concurrency"
    """The plan's ceiling."""
    WORK = "work"
    """Nothing: there is not more to do."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast it goes: requests in flight at most, requests a second at most (None: any number).

    `until` is when a pause ends, on the monotonic clock.
    """

    concurrency: int
    rate: float | None
    cause: PaceCause
    until: float | None = None


class Permit(NamedTuple):
    """Leave to send one request now; given back with its answer."""

    sent_at: float
    level: int
    number: int


class Governor:
    """Rules over the requests to one cluster; `random` is uniform in [0, 1)."""

    def __init__(self, ceilings: Ceilings, now: float, random: Callable[[], float]) -> None:
        self._ceilings = ceilings
        self._random = random
        self._in_flight = 0
        self._planned = TokenBucket(ceilings.rate, ceilings.burst, now) if ceilings.rate else None
        self._found: TokenBucket | None = None
        self._latency = GradientLimit(ceilings.concurrency, now)
        self._wall = InflightLimit(now)
        self._refusals = RateLimit(now)
        self._pause = Pause()
        self._allowed = 1
        self._full_at = self._planned_at = self._found_at = -inf
        self._refresh(now)

    def admit(self, now: float) -> Permit | float:
        """Let a request go, or tell in how many seconds to ask again.

        Infinite seconds mean that one in flight must be answered first.
        """
        if now < self._pause.until:
            return self._pause.until - now
        if self._in_flight >= self._allowed:
            return inf
        wait = self._wait(now)
        if wait > 0.0:
            return wait
        self._in_flight += 1
        if self._in_flight >= self._allowed:
            self._full_at = now
        return Permit(now, self._in_flight, self._latency.number)

    def answered(
        self, permit: Permit, sign: ReplySignal, now: float, retry_after: float | None = None
    ) -> None:
        """Learn from an answer; `retry_after` is the seconds that it asks for."""
        self._in_flight -= 1
        match sign:
            case ReplySignal.ACCEPTED:
                self._accepted(permit, now)
            case ReplySignal.REFUSED:
                self._refused(permit, now, retry_after or 0.0)
            case ReplySignal.LATE if self._ceilings.adaptive:
                self._latency.late(permit.number)
        if retry_after and sign is not ReplySignal.ACCEPTED:
            self._pause.begin(permit.sent_at, now, retry_after, self._random())
        self._refresh(now)

    def unused(self, now: float) -> None:
        """Take a permit back for which nothing was sent."""
        self._in_flight -= 1
        self._refresh(now)

    def pace(self, now: float) -> Pace:
        """The pace, and what limits it at the moment."""
        rates = [rate for rate in (self._ceilings.rate, self._refusals.rate) if rate]
        rate = min(rates, default=inf)
        concurrency = max(1, int(min(self._limit(self._latency.steady), self._wall.limit)))
        paused = self._pause.until if now < self._pause.until else None
        return Pace(concurrency, rate if rate < inf else None, self._cause(now), paused)

    def _cause(self, now: float) -> PaceCause:
        recently = now - _OF_LATE
        if now < self._pause.until:
            return PaceCause.RETRY_AFTER
        if self._found_at > recently:
            return PaceCause.REFUSALS
        if self._planned_at > recently:
            return PaceCause.RATE
        if self._full_at <= recently:
            return PaceCause.WORK
        if not self._ceilings.adaptive:
            return PaceCause.CONCURRENCY
        if self._wall.limit < self._latency.steady:
            return PaceCause.REFUSALS
        if self._latency.steady >= self._ceilings.concurrency:
            return PaceCause.CONCURRENCY
        return PaceCause.STARTING if self._latency.is_starting else PaceCause.LATENCY

    def _wait(self, now: float) -> float:
        """Seconds until both buckets have a token; takes one of each where it is none."""
        planned, found = self._planned, self._found
        wait = 0.0
        if planned is not None:
            wait = planned.delay(now)
            if wait > 0.0:
                self._planned_at = now
        if found is not None:
            waits_for_found = found.delay(now)
            if waits_for_found > wait:
                wait, self._found_at = waits_for_found, now
        if wait == 0.0:
            if planned is not None:
                planned.take()
            if found is not None:
                found.take()
        return wait

    def _accepted(self, permit: Permit, now: float) -> None:
        if self._pause.opening < inf:
            self._pause.accepted(permit.sent_at, now, self._limit(self._latency.steady))
        if self._ceilings.adaptive:
            self._wall.accepted(permit.level, now)
            self._refusals.accepted(permit.sent_at, now)
            self._latency.answered(now - permit.sent_at, permit.level, permit.number, now)

    def _refused(self, permit: Permit, now: float, wait: float) -> None:
        if self._ceilings.adaptive:
            self._latency.refused()
            if not self._wall.refused(permit.level, permit.sent_at, now, wait):
                self._slow_down(permit, now, wait)
            elif wait:
                self._refusals.acquit(now, now + wait)

    def _slow_down(self, permit: Permit, now: float, wait: float) -> None:
        latency = self._latency.typical
        if wait > 0.0:
            self._refusals.paused(permit.sent_at, now + wait, permit.level, latency)
        else:
            self._refusals.refused(permit.sent_at, now, permit.level, latency)

    def _limit(self, by_latency: float) -> float:
        return by_latency if self._ceilings.adaptive else float(self._ceilings.concurrency)

    def _refresh(self, now: float) -> None:
        limit = self._limit(self._latency.limit)
        self._allowed = max(1, int(min(limit, self._wall.limit, self._pause.opening)))
        rate = self._refusals.rate
        if rate == inf:
            self._found = None
        elif self._found is None:
            self._found = TokenBucket(rate, max(1.0, rate * _BURST_SECONDS), now)
        elif self._found.rate != rate:
            self._found.change(rate, max(1.0, rate * _BURST_SECONDS), now)
