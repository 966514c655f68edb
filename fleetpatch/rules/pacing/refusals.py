"""Limits from refusals: overload is told from refusals that occur at any pace.

A refusal alone delays only its own target. A CUSUM test watches the share of refused requests. If
it exceeds what is tolerated, requests in flight are limited *on trial*, to a little below what the
server has accepted (its rate times the latency, by Little's law). A sequential test then compares
the share with the one before. The rate is limited only where few requests in flight do not help:
the rate that was accepted for a fraction of a second is a poor estimate of a capacity.

| state | limits | ends with |
|---|---|---|
| UNLIMITED | none | excess: TRIAL |
| TRIAL | cut | share fell, or a cut helped before: LIMITED; high: TRIAL; else: TOLERANT |
| LIMITED | cut, and growing | excess: TRIAL; grown far enough: UNLIMITED |
| TOLERANT | none, a higher share is tolerated | excess: TRIAL; time over: UNLIMITED |
| all of them | | nearly everything is refused: PAUSED |
| PAUSED | no request until the pause is over | accepted: UNLIMITED; refused: PAUSED |
"""

from enum import Enum
from math import inf, log

from fleetpatch.rules.pacing.tuning import Tuning

State = Enum("State", "UNLIMITED TRIAL LIMITED TOLERANT PAUSED")
"""What the latest refusals mean."""


class SequentialTest:
    """Weighs two shares of refusals, `low` and `high`, against each other; counts from `start` on.

    `evidence` is the logarithm of the likelihood ratio: positive for `high`, negative for `low`.
    """

    def __init__(self, low: float, high: float, start: float) -> None:
        self._refusal = log(high / low)
        self._acceptance = log((1.0 - high) / (1.0 - low))
        self.restart(start)

    def restart(self, start: float) -> None:
        """Forget what was counted."""
        self.start, self.evidence, self.answers, self.refusals = start, 0.0, 0, 0
        self._highest_accepted, self._lowest_refused = 1, inf

    def count(self, in_flight: int, *, refused: bool) -> None:
        """Count an answer; `in_flight` were at the server when its request was sent."""
        self.answers += 1
        if refused:
            self.refusals += 1
            self.evidence += self._refusal
            self._lowest_refused = min(self._lowest_refused, in_flight)
        else:
            self.evidence += self._acceptance
            self._highest_accepted = max(self._highest_accepted, in_flight)

    @property
    def share(self) -> float:
        """The share of refusals among the answers counted."""
        return self.refusals / self.answers

    @property
    def in_flight_limit(self) -> float:
        """The server's limit of requests in flight, if only requests above it were refused."""
        is_sharp = self._highest_accepted < self._lowest_refused < inf
        return self._highest_accepted if is_sharp else inf

    def rate(self, now: float) -> float:
        """Accepted requests a second."""
        return (self.answers - self.refusals) / max(now - self.start, 1e-3)


class RefusalLimit:
    """At most `rate` requests a second and `in_flight` at once; infinite without a limit.

    `latency` is the mean of the latest accepted requests, in seconds.
    """

    def __init__(self, tuning: Tuning, now: float) -> None:
        self._tuning, self._regrowth, self._cuts = tuning, 0.0, 0
        self.latency, self._is_measured = tuning.first_latency, False
        self._enter(State.UNLIMITED, now)

    def answered(
        self, sent_at: float, now: float, in_flight: int, *, refused: bool, share: float
    ) -> bool:
        """Learn from an answer; return whether nearly everything is refused.

        `in_flight` were at the server when its request was sent. The limits are cut only if at
        least `share` is refused; never, if it is more than 1.
        """
        if not refused:
            self._accepted(sent_at, now)
        tuning, test = self._tuning, self._test
        if sent_at < self.since or now < test.start:
            return False
        if self.state is State.PAUSED:
            return True
        test.count(in_flight, refused=refused)
        # A refusal comes sooner than an acceptance, so the first answers are mostly refusals.
        lasts = now - test.start >= self.latency
        is_enough = lasts and test.answers >= tuning.fewest_answers
        if is_enough and test.share >= tuning.blocked_share:
            return True
        if self.state is State.TRIAL:
            self._judge(now)
        elif now >= self._until:
            self._enter(State.UNLIMITED, now)
        elif test.evidence <= 0.0 or (share > 1.0 and test.answers >= 4 * tuning.fewest_answers):
            test.restart(now)
        elif is_enough and test.evidence >= tuning.excess_evidence and test.share >= share:
            self._exceed(now)
        return False

    def update(self, now: float) -> None:
        """Let the limits grow: slowly near the capacity found, and ever faster beyond it."""
        if self.state is State.LIMITED:
            time = (now - self.since) / self._regrowth - 1.0
            factor = 1.0 + (1.0 - self._tuning.cut) * time**5
            if factor < self._tuning.lifted_at:
                self._limit(factor)
            else:
                self._enter(State.UNLIMITED, now)

    def pause(self, until: float) -> None:
        """Forget all limits: what follows a pause may differ from what was before."""
        self._enter(State.PAUSED, until)
        self._test.start = until

    def _enter(self, state: State, since: float, share: float = 0.0) -> None:
        """Begin a state, and watch for an excess over this share, if more than usual."""
        self.state, self.since, self._until = state, since, inf
        if state is not State.LIMITED:
            self.rate = self.in_flight = inf
        low = max(self._tuning.tolerated_share, share)
        high = min(self._tuning.excess_ratio * low, (1.0 + low) / 2.0)
        # The first acceptances come one latency after the first requests.
        self._test = SequentialTest(low, high, since + self.latency)

    def _accepted(self, sent_at: float, now: float) -> None:
        """Measure the latency; end a pause, or the wait for the first acceptance."""
        weight = self._tuning.latency_weight if self._is_measured else 1.0
        self.latency += weight * (now - sent_at - self.latency)
        if not self._is_measured:
            self._is_measured = True
            self._test.restart(now)
        if self.state is State.PAUSED and sent_at >= self.since:
            self._enter(State.UNLIMITED, now)

    def _exceed(self, now: float) -> None:
        """Begin the first trial of an excess."""
        longer = min(2.0 * self._regrowth, self._tuning.longest_regrowth)
        self._regrowth = longer if self.state is State.LIMITED else self._tuning.first_regrowth
        self._cuts, self._former = 0, self._capacity if self.state is State.LIMITED else None
        # The test stops where many are refused: the true share may be as low as this.
        self._try(now, self._test.share / self._tuning.excess_ratio)

    def _try(self, now: float, share: float) -> None:
        """Begin a trial; `share` was refused before it."""
        tuning, test = self._tuning, self._test
        rate, most = test.rate(now), test.in_flight_limit
        in_flight = rate * self.latency
        if self.in_flight == inf:
            self._limits_rate = in_flight < tuning.fewest_in_flight and most == inf
        else:
            # The limit so far was nearly right, or few answers show too little.
            least = tuning.cut if self.state is State.LIMITED else tuning.deepest_cut
            in_flight = max(in_flight, least * self.in_flight)
            if self._limits_rate:
                rate = max(rate, least * self.rate)
            elif self.state is State.TRIAL:
                self._limits_rate = self.in_flight < tuning.fewest_in_flight
        usual = max(tuning.fewest_in_flight, in_flight)
        # A first burst can look as if a number in flight were the limit: a bucket has few tokens.
        is_known = most <= usual or (self.state is State.LIMITED and most < inf)
        self._capacity = rate, most if is_known else usual
        self._enter(State.TRIAL, now)
        self._cuts += 1
        self._limit(tuning.cut)
        self._share = min(max(tuning.tolerated_share, share), tuning.blocked_share)
        low = self._share * tuning.remaining_share
        self._test = SequentialTest(low, self._share, now + self.latency)

    def _judge(self, now: float) -> None:
        """End a trial that has proved enough."""
        tuning, test, lasted = self._tuning, self._test, now - self.since
        overdue = lasted >= tuning.longest_trial
        # Twice as many as for an excess, since a trial repeats what chance has begun.
        is_enough = test.answers >= 2 * tuning.fewest_answers
        if test.evidence <= (0.0 if overdue else -tuning.verdict_evidence):
            self._grow(self.since, lasted)
        elif overdue or (is_enough and test.evidence >= tuning.verdict_evidence):
            # A limit that was set after a burst, or before the capacity fell, is too high.
            is_too_high = test.share > tuning.high_share or test.share < self._share
            tolerated = min(tuning.tolerance_margin * test.share, tuning.most_tolerated)
            if is_too_high and self._cuts < tuning.most_cuts:
                self._try(now, test.share)
            elif self._former is not None:
                # A cut has helped before: the server has a limit, and refuses some at any pace.
                self._capacity = self._former
                self._grow(now, lasted, tolerated)
            else:
                self._enter(State.TOLERANT, now, tolerated)
                # Longer trials are rarer, since each costs a part of the rate.
                self._until = now + tuning.tolerance * min(tuning.longest_trial, max(1.0, lasted))

    def _grow(self, since: float, lasted: float, share: float = 0.0) -> None:
        """Let the limits of a trial grow back, no faster than answers show what they do."""
        tuning, rate = self._tuning, max(self._capacity[0], self._tuning.slowest_rate)
        slowly = min(tuning.longest_trial, max(lasted, tuning.fewest_answers / rate))
        self._regrowth = max(self._regrowth, slowly)
        self._enter(State.LIMITED, since, share)

    def _limit(self, factor: float) -> None:
        """Let this part of what the server takes be in flight."""
        rate, in_flight = self._capacity
        if self._limits_rate:
            self.rate = max(self._tuning.slowest_rate, factor * rate)
        self.in_flight = round(factor * in_flight)
