"""A limit of requests in flight that is raised as long as throughput grows: hill climbing.

By Little's law throughput is requests in flight over their mean latency. In slow start the limit
doubles, the first time without a judgement. Then it is compared with a limit one step above or
below: rounds at the two limits alternate, so that a change of the server meets both, and a lead of
a few rounds decides. The higher limit wins a round if the logarithm of throughput grows by more
than `worth` times that of the limit: throughput / limit ** worth is maximised, a form of
Kleinrock's power. After a comparison that fails the other direction is tried: after a few seconds,
or at once after the first failure since a start or a change. Nothing is tried for little work.
"""

from math import inf, log

from fleetpatch.rules.pacing.tuning import Tuning


class HillClimb:
    """At most `limit` requests in flight now; `settled` is the best limit known so far.

    At the beginning that is twice the `start`, or the ceiling, and was not tried yet.
    """

    def __init__(self, tuning: Tuning, start: int, ceiling: int, now: float) -> None:
        self._tuning, self._ceiling = tuning, ceiling
        self._latency, self._is_upward, self.may_try = 0.0, True, True
        self.limit, self.settled = min(start, ceiling), min(2 * start, ceiling)
        self.start(self.limit, now)

    @property
    def in_force(self) -> int:
        """The limit, apart from one that is only tried."""
        return min(self.limit, self.settled) if self.is_starting else self.settled

    def start(self, limit: int, now: float) -> None:
        """Begin slow start at this limit; below the best limit known nothing is judged."""
        self.is_starting = self._turns_at_once = True
        self._lead, self._next_comparison, self._is_mixed, self._throughput = 0, now, False, 0.0
        self._begin_round(limit, now)

    def accepted(self, sent_at: float, in_flight: int, now: float, left: float = inf) -> None:
        """Learn from an accepted request, sent with `in_flight`; `left` more are to be sent."""
        if sent_at < self._since:
            return
        self._answers += 1
        self._seconds += now - sent_at
        self._in_flight += in_flight
        count, lasted, tuning = self._answers, now - self._since, self._tuning
        if not self.is_starting and lasted < tuning.longest_round:
            if count < tuning.round or lasted < tuning.shortest_round:
                return
        elif count < min(self.limit, tuning.round):
            return
        self._latency, in_use = max(self._seconds / count, 1e-6), self._in_flight / count
        throughput = in_use / self._latency
        self.may_try = left >= throughput * tuning.least_left
        if self.is_starting and self.limit < self.settled:
            self._double(throughput, now)
        elif in_use >= tuning.full * self.limit:
            self._judge(throughput, now)
        else:
            # Something else limits, and a higher limit would not be used.
            self.is_starting = False
            if self.limit > self.settled:
                self._stay(now)
            else:
                self._begin_round(self.settled, now)

    def change_ceiling(self, ceiling: int, *, adaptive: bool, now: float) -> None:
        """Replace the ceiling; a limit that does not climb (not `adaptive`) is the ceiling.

        A slow start continues. If the old ceiling was the limit, a new slow start begins.
        """
        was_limiting = not self.is_starting and self.settled == self._ceiling < ceiling
        is_restarting = self.is_starting and self.limit < self.settled
        self._ceiling = ceiling
        self.settled = min(self.settled, ceiling) if adaptive else ceiling
        if was_limiting:
            self.start(self.settled, now)
        elif self.limit > ceiling or not (adaptive or is_restarting):
            self._throughput, self._lead = 0.0, 0
            self._begin_round(self.settled, now)

    def _double(self, throughput: float, now: float) -> None:
        """Double the limit in slow start, but try the best limit known before a higher one."""
        self._throughput, self._is_upward = throughput, True
        bound = self._ceiling if self.limit == self.settled and self.may_try else self.settled
        self.is_starting = self.limit < bound
        self._begin_round(min(bound, 2 * self.limit), now)

    def _judge(self, throughput: float, now: float) -> None:
        gain = log(throughput / self._throughput) if self._throughput else inf
        price = log(self.limit / self.settled)
        if self.is_starting:
            if gain > self._tuning.start_worth * price:
                self.settled = self.limit
                self._double(throughput, now)
            else:
                self.is_starting, self._is_upward = False, gain > self._tuning.worth * price
                self._begin_round(self.settled, now)
        elif self.limit != self.settled:
            self._compare(throughput, gain - self._tuning.worth * price, now)
        else:
            self._throughput = throughput
            # Not while a comparison has a lead: its rounds alternate, and a change meets both.
            has_changed = not self._lead and abs(gain) > log(self._tuning.step)
            if has_changed:
                self._is_upward, self._turns_at_once, self._next_comparison = gain > 0.0, True, now
            # The round in which the server changes mixes both speeds. The next one is compared.
            self._is_mixed = has_changed and not self._is_mixed
            if self._is_mixed or now < self._next_comparison:
                self._begin_round(self.settled, now)
            else:
                self._try_other(now)

    def _compare(self, throughput: float, gain: float, now: float) -> None:
        """Count a round at the other limit."""
        self._lead += 1 if gain > 0.0 else -1
        if self._lead >= self._tuning.lead:
            self._throughput, self.settled, self._lead = throughput, self.limit, 0
            self._try_other(now)
        elif self._lead <= -self._tuning.lead:
            self._stay(now)
        else:
            self._begin_round(self.settled, now)

    def _try_other(self, now: float) -> None:
        """Begin a round one step away in this direction, within the bounds."""
        up = max(self.settled + 1, round(self.settled * self._tuning.step))
        limit = up if self._is_upward else round(self.settled / self._tuning.step)
        other = max(1, min(self._ceiling, limit))
        if other == self.settled or not self.may_try:
            # Nothing was compared, so the other direction is not tried at once.
            self._turns_at_once = False
            self._stay(now)
        else:
            self._begin_round(other, now)

    def _stay(self, now: float) -> None:
        """Keep the limit, and turn to the other direction: after a while, or at once."""
        if not self._turns_at_once:
            self._next_comparison = now + self._tuning.interval
        self._is_upward, self._turns_at_once, self._lead = not self._is_upward, False, 0
        self._begin_round(self.settled, now)

    def _begin_round(self, limit: int, now: float) -> None:
        """Begin a round; at another limit that is judged, once all requests are replaced."""
        is_judged = not self.is_starting or limit >= self.settled
        self._since = now + self._latency if limit != self.limit and is_judged else now
        self.limit = limit
        self._answers, self._seconds, self._in_flight = 0, 0.0, 0
