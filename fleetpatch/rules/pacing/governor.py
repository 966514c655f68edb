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
        self._bucket = TokenBucket(ceilings.rate or inf, ceilings.burst, now)
        start = tuning.start if ceilings.adaptive else ceilings.concurrency
        self._climb = HillClimb(tuning, start, ceilings.concurrency, now)
        self._refusals = RefusalLimit(tuning, now)
        self._paused_until, self._opening = -inf, inf
        self._full_at = self._empty_at = -inf
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
        wait = self._bucket.delay(now)
        if wait > 0.0:
            self._empty_at = now
            return wait
        self._bucket.take()
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
        self._climb.change_ceiling(ceilings.concurrency, adaptive=ceilings.adaptive, now=now)
        self._refresh(now)

    def pace(self, now: float) -> Pace:
        """Return the pace and what limits it at the moment."""
        concurrency = int(min(self._climb.settled, self._refusals.in_flight))
        rate = self._bucket.rate if self._bucket.rate < inf else None
        paused = self._paused_until if now < self._paused_until else None
        return Pace(concurrency, rate, self._cause(now), paused)

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
        if self._empty_at > recently:
            is_found = self._refusals.rate < (self._ceilings.rate or inf)
            return PaceCause.REFUSALS if is_found else PaceCause.RATE
        if self._full_at <= recently:
            return PaceCause.WORK
        if self._refusals.in_flight < self._climb.settled:
            return PaceCause.REFUSALS
        if self._climb.settled >= self._ceilings.concurrency:
            return PaceCause.CONCURRENCY
        return PaceCause.STARTING if self._climb.phase is Phase.START else PaceCause.LATENCY

    def _refresh(self, now: float) -> None:
        self._refusals.update(now)
        self._allowed = int(min(self._climb.limit, self._refusals.in_flight, self._opening))
        found, planned = self._refusals.rate, self._ceilings.rate or inf
        rate, burst = planned, float(self._ceilings.burst)
        if found < planned:
            at_once = max(1.0, found * self._tuning.burst)
            rate, burst = found, at_once if planned == inf else min(at_once, burst)
        if (rate, burst) != (self._bucket.rate, self._bucket.burst):
            self._bucket.change(rate, burst, now)
