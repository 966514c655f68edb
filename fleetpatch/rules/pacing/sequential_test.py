"""A sequential test of the share of refused requests (Wald's probability ratio test)."""

from math import inf, log


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
        self.start = start
        self.evidence = 0.0
        self.answers = self.refusals = 0
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
