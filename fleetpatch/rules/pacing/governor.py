"""The pace of one cluster: whether the next request may be sent, and what limits the pace.

The ceilings are the plan's and are never exceeded. Below them an `adaptive` pace follows throughput
and refusals. If nearly everything is refused, all requests pause, adaptive or not. Then one request
is sent, and each acceptance allows one more in flight.
"""

from collections import deque
from collections.abc import Callable
from math import inf
from typing import NamedTuple

from fleetpatch.model.pace import Ceilings, Pace, PaceCause
from fleetpatch.rules.pacing.bucket import TokenBucket
from fleetpatch.rules.pacing.hill_climb import HillClimb, Phase
from fleetpatch.rules.pacing.refusals import RefusalLimit
from fleetpatch.rules.pacing.reply_signal import TROUBLE, ReplySignal
from fleetpatch.rules.pacing.tuning import Tuning


class Permit(NamedTuple):
    """The right to send one request now; returned with its answer.

    With it `in_flight` requests count as in flight, and `at_server` of them are not yet answered.
    """

    sent_at: float
    in_flight: int
    at_server: int


class Governor:
    """Decides on the requests to one cluster; `random` is uniform in [0, 1)."""

    def __init__(
        self, ceilings: Ceilings, now: float, random: Callable[[], float], tuning: Tuning
    ) -> None:
        self._tuning = tuning
        self._ceilings, self._random = ceilings, random
        self._planned = TokenBucket(ceilings.rate or inf, ceilings.burst, now)
        self._found = TokenBucket(inf, 1.0, now)
        start = tuning.start if ceilings.adaptive else ceilings.concurrency
        self._climb = HillClimb(tuning, start, ceilings.concurrency, now)
        self._refusals = RefusalLimit(tuning, now)
        self._paused_until, self._opening = -inf, inf
        self._full_at = self._planned_at = self._found_at = -inf
        self._in_flight = 0
        self._refused: deque[float] = deque()
        self._refresh(now)

    @property
    def at_server(self) -> int:
        """The number of requests that are not answered yet."""
        return self._in_flight - len(self._refused)

    @property
    def needs_answer(self) -> bool:
        """Whether only an answer, and not time, can make room for another request."""
        at_server = self._in_flight > len(self._refused)
        return self._in_flight >= self._allowed and (at_server or not self._refused)

    def admit(self, now: float) -> Permit | float:
        """Return a permit, or the seconds to wait; infinite: until the next answer."""
        if now < self._paused_until:
            return self._paused_until - now
        while self._refused and self._refused[0] <= now:
            self._refused.popleft()
            self._in_flight -= 1
        if self._in_flight >= self._allowed:
            return inf if self.needs_answer else self._refused[0] - now
        wait = self._wait(now)
        if wait > 0.0:
            return wait
        self._in_flight += 1
        if self._in_flight >= self._allowed:
            self._full_at = now
        return Permit(now, self._in_flight, self.at_server)

    def answered(
        self, permit: Permit, signal: ReplySignal, now: float, retry_after: float = 0.0
    ) -> None:
        """Learn from an answer; `retry_after` is in seconds."""
        adaptive = self._ceilings.adaptive
        if signal is ReplySignal.LATE and not adaptive:
            # A pause would only delay the end of the targets of a server that is silent.
            signal = ReplySignal.NOTHING
        refused = signal in TROUBLE
        if refused and adaptive:
            # It counts as in flight for as long as an accepted request is. Otherwise a server that
            # is full refuses the next one at once, and far more requests than exceed its limit.
            self._refused.append(max(now, permit.sent_at + self._refusals.latency))
        else:
            self._in_flight -= 1
        if signal is not ReplySignal.NOTHING:
            self._learn(permit, now, retry_after, refused=refused)
        self._refresh(now)

    def unused(self, now: float) -> None:
        """Take back a permit with which nothing was sent."""
        self._in_flight -= 1
        self._refresh(now)

    def change(self, ceilings: Ceilings, now: float) -> None:
        """Replace the ceilings; `adaptive` stays as it is."""
        self._ceilings = ceilings
        self._planned.change(ceilings.rate or inf, ceilings.burst, now)
        self._climb.change_ceiling(ceilings.concurrency, adaptive=ceilings.adaptive, now=now)
        self._refresh(now)

    def pace(self, now: float) -> Pace:
        """Return the pace and what limits it at the moment."""
        rates = [rate for rate in (self._ceilings.rate, self._refusals.rate) if rate]
        rate = min(rates, default=inf)
        concurrency = int(min(self._climb.settled, self._refusals.in_flight))
        paused = self._paused_until if now < self._paused_until else None
        return Pace(concurrency, rate if rate < inf else None, self._cause(now), paused)

    def _learn(self, permit: Permit, now: float, retry_after: float, *, refused: bool) -> None:
        share = inf
        if self._ceilings.adaptive:
            is_start = self._climb.phase is Phase.START
            share = self._tuning.slow_start_share if is_start else 0.0
        is_blocked = self._refusals.answered(
            permit.sent_at, now, permit.at_server, refused=refused, share=share
        )
        if refused and (is_blocked or self._opening == 1.0):
            self._pause(permit, now, retry_after)
        elif not refused:
            if permit.sent_at >= self._paused_until:
                self._opening += 1.0
                if self._opening >= self._climb.settled:
                    self._opening = inf
            if self._ceilings.adaptive:
                self._climb.accepted(permit.sent_at, permit.in_flight, now)

    def _pause(self, permit: Permit, now: float, retry_after: float) -> None:
        if permit.sent_at < self._paused_until:
            # It was sent before the pause began.
            self._paused_until = max(self._paused_until, now + retry_after)
        else:
            seconds = retry_after or self._tuning.pause
            self._paused_until = now + seconds * (1.0 + self._tuning.pause_jitter * self._random())
            self._opening = 1.0
            self._refusals.pause(self._paused_until)
            self._climb.restart(self._paused_until)

    def _cause(self, now: float) -> PaceCause:
        recently = now - self._tuning.recent
        if now < self._paused_until:
            return PaceCause.RETRY_AFTER
        if self._found_at > recently:
            return PaceCause.REFUSALS
        if self._planned_at > recently:
            return PaceCause.RATE
        if self._full_at <= recently:
            return PaceCause.WORK
        if self._refusals.in_flight < self._climb.settled:
            return PaceCause.REFUSALS
        if self._climb.settled >= self._ceilings.concurrency:
            return PaceCause.CONCURRENCY
        return PaceCause.STARTING if self._climb.phase is Phase.START else PaceCause.LATENCY

    def _wait(self, now: float) -> float:
        """Return the seconds until both buckets have a token; take one of each if both have one."""
        planned, found = self._planned.delay(now), self._found.delay(now)
        if planned > 0.0:
            self._planned_at = now
        if found > planned:
            self._found_at = now
        if planned == found == 0.0:
            self._planned.take()
            self._found.take()
        return max(planned, found)

    def _refresh(self, now: float) -> None:
        self._refusals.update(now)
        self._allowed = int(min(self._climb.limit, self._refusals.in_flight, self._opening))
        rate = self._refusals.rate
        if rate != self._found.rate:
            self._found.change(rate, max(1.0, rate * self._tuning.burst), now)
