"""The pace of one cluster: whether the next request may be sent, and what limits the pace.

The ceilings are the plan's and are never exceeded. Below them an `adaptive` pace follows throughput
and refusals. If nearly everything is refused, all requests pause, adaptive or not. Then one request
is sent, and requests in flight double from one (`HillClimb.start`).
"""

from collections import deque
from collections.abc import Callable
from math import inf
from typing import NamedTuple

from fleetpatch.model.pace import Ceilings, Pace, PaceCause
from fleetpatch.rules.answers.reply_signal import TROUBLE, ReplySignal
from fleetpatch.rules.pacing.hill_climb import HillClimb
from fleetpatch.rules.pacing.refusals import RefusalLimit, State
from fleetpatch.rules.pacing.tuning import Tuning
from fleetpatch.rules.running.token_bucket import TokenBucket


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
        self._tuning, self._ceilings, self._random = tuning, ceilings, random
        # One token: a program that has just begun has saved none.
        self._bucket = TokenBucket(1.0, now)
        start = tuning.start if ceilings.adaptive else ceilings.concurrency
        self._climb = HillClimb(tuning, start, ceilings.concurrency, now)
        self._refusals = RefusalLimit(tuning, now)
        self._paused_at = self._paused_until = self._full_at = self._empty_until = -inf
        # Requests that are not answered yet. Those from before the last pause may be silent, and
        # must not keep a probe's place.
        self.at_server = self._before_pause = 0
        # When refused requests were sent that count as in flight, in the order of their answers.
        self._refused_sent_at: deque[float] = deque()
        self._refresh(now)

    def admit(self, now: float) -> Permit | float:
        """Return a permit, or the seconds to wait; infinite: until the next answer."""
        if now < self._paused_until:
            return self._paused_until - now
        in_flight = self._count_in_flight(now)
        if in_flight >= self._allowed:
            return self._oldest_refused_until - now if self._refused_sent_at else inf
        wait = self._bucket.take(self._rate, self._burst, now)
        if wait > 0.0:
            self._empty_until = now + wait
            return wait
        self.at_server += 1
        if in_flight + 1 >= self._allowed:
            self._full_at = now
        earlier = self._before_pause
        return Permit(now, in_flight + 1 - earlier, self.at_server - earlier)

    def is_full(self, expected: int) -> bool:
        """Return whether unanswered requests, and so many that are expected, leave no room.

        Refused requests do not count: only time makes room in their place (`admit`).
        """
        return self.at_server + expected >= self._allowed

    def answered(
        self, permit: Permit, signal: ReplySignal, now: float, wait: float = 0.0, left: float = inf
    ) -> None:
        """Learn from an answer; `wait` is its Retry-After in seconds, `left` as for `HillClimb`."""
        self._return(permit)
        adaptive, refused = self._ceilings.adaptive, signal in TROUBLE
        if refused and adaptive:
            # It counts as in flight for as long as an accepted request is. Otherwise a server that
            # is full refuses the next one at once, and far more requests than exceed its limit.
            self._refused_sent_at.append(permit.sent_at)
        # Without `adaptive` a pause would only delay the end of the targets of a silent server.
        if signal is not ReplySignal.NOTHING and (adaptive or signal is not ReplySignal.LATE):
            self._note(permit, now, wait, left, refused=refused)
        self._refresh(now)

    def unused(self, permit: Permit, now: float) -> None:
        """Take back a permit with which nothing was sent."""
        self._return(permit)
        self._refresh(now)

    def change(self, ceilings: Ceilings, now: float) -> None:
        """Replace the ceilings; the new ones have the same `adaptive`."""
        self._ceilings, self._bucket, self._empty_until = ceilings, TokenBucket(0.0, now), -inf
        self._climb.change_ceiling(ceilings.concurrency, adaptive=ceilings.adaptive, now=now)
        self._refresh(now)

    def pace(self, now: float) -> Pace:
        """Return the pace and what limits it at the moment."""
        concurrency = int(min(self._climb.in_force, self._refusals.in_flight))
        rate = self._rate if self._rate < inf else None
        until = self._paused_until if now < self._paused_until else None
        return Pace(concurrency, rate, self._cause(now), until)

    def _return(self, permit: Permit) -> None:
        self.at_server -= 1
        if permit.sent_at <= self._paused_at:
            self._before_pause -= 1

    @property
    def _oldest_refused_until(self) -> float:
        return self._refused_sent_at[0] + self._refusals.latency

    def _count_in_flight(self, now: float) -> int:
        """Count the requests in flight; forget refused ones that no longer count."""
        while self._refused_sent_at and self._oldest_refused_until <= now:
            self._refused_sent_at.popleft()
        return self.at_server + len(self._refused_sent_at)

    def _note(self, permit: Permit, now: float, wait: float, left: float, *, refused: bool) -> None:
        adaptive, tuning, share = self._ceilings.adaptive, self._tuning, inf
        if adaptive:
            share = tuning.slow_start_share if self._climb.is_starting else 0.0
        is_blocked = self._refusals.answered(
            permit.sent_at, now, permit.at_server, refused=refused, share=share
        )
        if is_blocked:
            seconds = (wait or tuning.pause) * (1.0 + tuning.pause_jitter * self._random())
            self._paused_at, self._paused_until = now, now + seconds
            self._before_pause = self.at_server
            self._refusals.pause(self._paused_until)
            self._climb.start(1, self._paused_until)
        elif not refused and (adaptive or self._climb.is_starting):
            self._climb.accepted(permit.sent_at, permit.in_flight, now, left)

    def _cause(self, now: float) -> PaceCause:
        recent, latency = self._tuning.recent, self._refusals.latency
        # What is answered now, and has left room for the next one, was sent a latency ago.
        is_full = self._full_at > now - max(recent, 2.0 * latency) or self.is_full(0)
        if now < self._paused_until or (is_full and self._refusals.state is State.PAUSED):
            return PaceCause.RETRY_AFTER
        if self._empty_until > now - recent and self._rate < inf:
            is_found = self._rate < (self._ceilings.rate or inf)
            return PaceCause.REFUSALS if is_found else PaceCause.RATE
        if not is_full:
            return PaceCause.WORK
        if self._refusals.in_flight < self._climb.in_force:
            return PaceCause.REFUSALS
        if self._climb.in_force >= self._ceilings.concurrency:
            return PaceCause.CONCURRENCY
        settled = PaceCause.LATENCY if self._climb.may_try else PaceCause.WORK
        return PaceCause.STARTING if self._climb.is_starting else settled

    def _refresh(self, now: float) -> None:
        self._refusals.update(now)
        limit = int(min(self._climb.limit, self._refusals.in_flight))
        self._allowed = min(limit + self._before_pause, self._ceilings.concurrency)
        found, ceilings = self._refusals.rate, self._ceilings
        rate, burst = (ceilings.rate, ceilings.burst) if ceilings.rate else (inf, inf)
        self._rate, self._burst = min(found, rate), min(max(1.0, found * self._tuning.burst), burst)
