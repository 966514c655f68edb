"""Limits from refusals: overload is told from refusals that occur at any pace.

A refusal alone delays only its own target. A CUSUM test watches the share of refused requests. If
it exceeds what is tolerated, requests in flight are limited *on trial*, to a little below what the
server has accepted (its rate times the latency, by Little's law). A sequential test then compares
the share with the one before. The rate is limited only where the fewest requests in flight do not
help: a rate that was accepted for a fraction of a second is a poor estimate of a server's capacity.

| state | limits | ends with |
|---|---|---|
| UNLIMITED | none | excess: TRIAL |
| TRIAL | cut | share fell: LIMITED; it did not, and is high: another TRIAL; else: TOLERANT |
| LIMITED | cut, and growing | excess: TRIAL; grown far enough: UNLIMITED |
| TOLERANT | none, a higher share is tolerated | excess: TRIAL; time over: UNLIMITED |
"""

from enum import Enum
from math import inf

from fleetpatch.rules.pacing.sequential_test import SequentialTest
from fleetpatch.rules.pacing.tuning import Tuning

State = Enum("State", "UNLIMITED TRIAL LIMITED TOLERANT")
"""What the latest refusals mean."""


class RefusalLimit:
    """At most `rate` requests a second and `in_flight` at once; infinite without a limit.

    `latency` is the mean of the latest accepted requests, in seconds.
    """

    def __init__(self, tuning: Tuning, now: float) -> None:
        self._tuning = tuning
        self.latency, self._is_measured = tuning.first_latency, False
        self._capacity = inf, inf
        self._regrowth, self._cuts, self._fewest = 0.0, 0, 1.0
        self._limits_rate = False
        self._test: SequentialTest
        self._enter(State.UNLIMITED, now)

    def answered(
        self, sent_at: float, now: float, in_flight: int, *, refused: bool, share: float
    ) -> bool:
        """Learn from an answer; return whether nearly everything is refused.

        `in_flight` were at the server when its request was sent. The limits are cut only if at
        least `share` is refused.
        """
        if not refused:
            self._measure(now - sent_at, now)
        if sent_at < self._since or now < self._test.start:
            return False
        if self.state is State.TRIAL:
            self._test.count(in_flight, refused=refused)
            return self._judge(now)
        if not refused and not self._test.refusals and now < self._until:
            # Most answers: an excess begins with a refusal.
            self._test.start = now
            return False
        self._test.count(in_flight, refused=refused)
        if now >= self._until:
            self._enter(State.UNLIMITED, now)
        elif self._test.evidence <= 0.0:
            self._test.restart(now)
        elif self._test.evidence >= self._tuning.excess_evidence:
            return self._has(self._tuning.fewest_answers, now) and self._exceed(now, share)
        return False

    def update(self, now: float) -> None:
        """Let the limits grow: back to the capacity found, and then exponentially."""
        if self.state is State.LIMITED:
            missing = 1.0 - (now - self._since) / self._regrowth
            if missing > 0.0:
                factor = 1.0 - (1.0 - self._tuning.cut) * missing**3
            else:
                factor = 2.0 ** (-missing * self._regrowth / self._tuning.doubling_time)
            if factor < self._tuning.lifted_at:
                self._limit(factor)
            else:
                self._enter(State.UNLIMITED, now)

    def pause(self, until: float) -> None:
        """Start again after a pause: requests sent before it do not count."""
        if self.state is State.TRIAL:
            self._enter(State.UNLIMITED, until)
        else:
            self._since = until
            self._test.restart(until)

    def _measure(self, latency: float, now: float) -> None:
        if self._is_measured:
            self.latency += self._tuning.latency_weight * (latency - self.latency)
        else:
            self._is_measured, self.latency = True, latency
            self._test.restart(now)

    def _has(self, answers: int, now: float) -> bool:
        """Check that there are so many, over at least one latency.

        A refusal comes sooner than an acceptance, so the first answers are mostly refusals.
        """
        return self._test.answers >= answers and now - self._test.start >= self.latency

    def _exceed(self, now: float, share: float) -> bool:
        """Begin a trial if at least `share` is refused; return whether nearly everything is."""
        found = self._test.share
        if found >= self._tuning.blocked_share:
            return True
        self._cuts = 0
        if self.state is State.LIMITED:
            # Growth was expected to reach the server's limit: test with the share as it is.
            self._regrowth = min(2.0 * self._regrowth, self._tuning.longest_regrowth)
            self._most_cuts = 2
            self._try(now, found)
        elif found >= share:
            self._regrowth = self._tuning.first_regrowth
            self._most_cuts = 1
            # The test stops where many are refused: the true share may be as low as this.
            self._try(now, found / self._tuning.excess_ratio)
        else:
            self._test.restart(now)
        return False

    def _try(self, now: float, share: float) -> None:
        """Begin a trial; `share` was refused before it."""
        tuning, test = self._tuning, self._test
        self._cuts += 1
        rate = test.rate(now)
        in_flight = rate * self.latency
        if self.in_flight == inf:
            self._limits_rate = in_flight < tuning.fewest_in_flight
        else:
            # The limit so far was nearly right, or few answers show too little.
            least = tuning.cut if self.state is State.LIMITED else tuning.deepest_cut
            if self._limits_rate:
                rate = max(rate, least * self.rate)
                in_flight = rate * self.latency
            else:
                in_flight = max(in_flight, least * self.in_flight)
                self._limits_rate = self.state is State.TRIAL and self.in_flight <= self._fewest
        self._capacity = rate, min(in_flight, test.in_flight_limit)
        self._fewest = min(tuning.fewest_in_flight, test.in_flight_limit)
        self._enter(State.TRIAL, now)
        self._limit(tuning.cut)
        self._share = min(max(tuning.tolerated_share, share), tuning.blocked_share)
        low = self._share * tuning.remaining_share
        self._test = SequentialTest(low, self._share, now + self.latency)

    def _judge(self, now: float) -> bool:
        """Judge the trial; return whether nearly everything is refused."""
        tuning, test, lasted = self._tuning, self._test, now - self._since
        overdue = lasted >= tuning.longest_trial
        if test.evidence <= -tuning.verdict_evidence or (overdue and test.share < self._share / 2):
            self._enter(State.LIMITED, self._since)
        elif overdue or (
            test.evidence >= tuning.verdict_evidence and self._has(tuning.fewest_in_trial, now)
        ):
            if test.share >= tuning.blocked_share:
                return True
            # A limit that was set after a burst, or before the capacity fell, is too high.
            has_fallen = self._most_cuts == 1 and test.share < self._share
            is_too_high = test.share > tuning.high_share or has_fallen
            if self._cuts < (tuning.most_cuts if is_too_high else self._most_cuts):
                self._try(now, test.share)
            else:
                self._tolerate(now)
        return False

    def _tolerate(self, now: float) -> None:
        tuning, lasted = self._tuning, now - self._since
        tolerated = max(tuning.tolerance_margin * self._test.share, tuning.tolerated_share)
        self._enter(State.TOLERANT, now)
        # Longer trials are rarer, since each costs a part of the rate.
        self._until = now + tuning.tolerance * max(1.0, lasted)
        self._watch(now, min(tolerated, tuning.most_tolerated))

    def _enter(self, state: State, since: float) -> None:
        self.state, self._since, self._until = state, since, inf
        if state is not State.LIMITED:
            self.rate = self.in_flight = inf
        self._watch(since, self._tuning.tolerated_share)

    def _watch(self, now: float, share: float) -> None:
        """Begin to watch for an excess over this share."""
        high = min(self._tuning.excess_ratio * share, (1.0 + share) / 2.0)
        # The first acceptances come one latency after the first requests.
        self._test = SequentialTest(share, high, now + self.latency)

    def _limit(self, factor: float) -> None:
        rate, in_flight = self._capacity
        if self._limits_rate:
            self.rate = max(self._tuning.slowest_rate, factor * rate)
        self.in_flight = max(self._fewest, round(factor * in_flight))
