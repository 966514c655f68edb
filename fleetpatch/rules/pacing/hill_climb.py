"""A limit of requests in flight that is raised as long as throughput grows: hill climbing.

By Little's law throughput is requests in flight over their mean latency. In slow start the limit
doubles. Then it is compared with a limit one step above or below: rounds at the two limits
alternate, so that a change of the server meets both, and a lead of a few rounds decides. The higher
limit wins a round if the logarithm of throughput grows by more than `worth` times that of the
limit: throughput / limit ** worth is maximised, a form of Kleinrock's power.
"""

from enum import Enum
from math import ceil, inf, log
from statistics import fmean

from fleetpatch.rules.pacing.tuning import Tuning

Phase = Enum("Phase", "START STEADY COMPARISON")
"""What the current round is for."""


class HillClimb:
    """At most `limit` requests in flight now; `settled` is the best limit known so far."""

    def __init__(self, tuning: Tuning, start: int, ceiling: int, now: float) -> None:
        self._tuning, self._ceiling = tuning, ceiling
        self._is_upward, self._lead = True, 0
        self._throughput = self._latency = 0.0
        self._next_comparison = now
        self.phase = Phase.START
        self.limit = self.settled = min(start, ceiling)
        self._begin_round(self.limit, now)

    def accepted(self, sent_at: float, in_flight: int, now: float) -> None:
        """Learn from an accepted request; so many were in flight when it was sent."""
        if sent_at < self._since:
            return
        self._latencies.append(now - sent_at)
        self._in_flight += in_flight
        count, lasted = len(self._latencies), now - self._since
        if self.phase is not Phase.START and lasted < self._tuning.longest_round:
            if count < self._tuning.round or lasted < self._tuning.shortest_round:
                return
        elif count < min(self.limit, self._tuning.round):
            return
        typical = sorted(self._latencies)[: ceil(self._tuning.typical * count)]
        self._latency = max(fmean(typical), 1e-6)
        in_use = self._in_flight / count
        if not self._throughput or in_use >= self._tuning.full * self.limit:
            self._judge(in_use / self._latency, now)
        else:
            # Something else limits, and the round shows nothing about this limit.
            if self.phase is Phase.START:
                self.phase = Phase.STEADY
            self._begin_round(self.limit, now)

    def restart(self, now: float) -> None:
        """Forget the throughput: what follows a pause may differ from what was before."""
        self._throughput = 0.0
        self._begin_round(self.settled, now)

    def change_ceiling(self, ceiling: int, *, adaptive: bool, now: float) -> None:
        """Replace the ceiling; a limit that does not climb (not `adaptive`) is the ceiling."""
        self._ceiling = ceiling
        self.settled = min(self.settled, ceiling) if adaptive else ceiling
        if self.phase is Phase.COMPARISON:
            self.phase = Phase.STEADY
        self._begin_round(self.settled, now)

    def _judge(self, throughput: float, now: float) -> None:
        gain = log(throughput / self._throughput) if self._throughput else inf
        price = log(self.limit / self.settled)
        if self.phase is Phase.START:
            self._start(throughput, gain > self._tuning.start_worth * price, now)
        elif self.limit != self.settled:
            self._compare(throughput, gain - self._tuning.worth * price, now)
        else:
            self._throughput = throughput
            has_changed = self.phase is Phase.STEADY and abs(gain) > log(self._tuning.step)
            if has_changed:
                self._is_upward = gain > 0.0
            if self.phase is Phase.COMPARISON:
                self._begin_round(self._other(), now)
            elif has_changed or now >= self._next_comparison:
                self._begin_comparison(now)
            else:
                self._begin_round(self.limit, now)

    def _start(self, throughput: float, pays: bool, now: float) -> None:
        """Double the limit, or end slow start."""
        if pays:
            self._throughput, self.settled = throughput, self.limit
        if pays and self.limit < self._ceiling:
            self._begin_round(min(self._ceiling, 2 * self.limit), now)
        else:
            self.phase = Phase.STEADY
            self._begin_round(self.settled, now)

    def _compare(self, throughput: float, gain: float, now: float) -> None:
        """Count a round at the other limit: twice if the higher limit is clearly better."""
        clear = log(self._tuning.step) / 2.0
        points = 2 if (gain if self._is_upward else -gain) > clear else 1
        self._lead += points if gain > 0.0 else -points
        if self._lead >= self._tuning.lead:
            self._throughput, self.settled = throughput, self.limit
            self._begin_comparison(now)
        elif self._lead <= -self._tuning.lead:
            self._stay(now)
        else:
            self._begin_round(self.settled, now)

    def _begin_comparison(self, now: float) -> None:
        """Compare with the next limit in this direction, if there is one."""
        self._lead = 0
        if self._other() == self.settled:
            self._stay(now)
        else:
            self.phase = Phase.COMPARISON
            self._begin_round(self._other(), now)

    def _stay(self, now: float) -> None:
        """Keep the limit for a while; then try the other direction."""
        self.phase = Phase.STEADY
        self._is_upward = not self._is_upward
        self._next_comparison = now + self._tuning.interval
        self._begin_round(self.settled, now)

    def _other(self) -> int:
        """The limit one step away, within the bounds."""
        step = max(1, round(self.settled * (self._tuning.step - 1.0)))
        limit = self.settled + step if self._is_upward else round(self.settled / self._tuning.step)
        return max(1, min(self._ceiling, limit))

    def _begin_round(self, limit: int, now: float) -> None:
        """Begin a round; after slow start, at another limit, once all requests are replaced."""
        is_other = limit != self.limit and self.phase is not Phase.START
        self._since = now + self._latency if is_other else now
        self.limit = limit
        self._latencies: list[float] = []
        self._in_flight = 0
