"""A token bucket: in any span of t seconds at most `burst + rate * t` requests pass.

It starts with one token, not full. A burst is what may go after a pause; a program that has just
begun has saved up nothing, and its first requests reach the server late (they make connections),
so that a burst of them would arrive together with those that follow.
"""

_ENOUGH = 1.0 - 1e-9
"""A token, to within what sums of floats are off; otherwise a waiter would wake a shade too soon
and wait again, for less time than a clock can tell."""


class TokenBucket:
    """At most `rate` a second with `burst` at once; times are those of a monotonic clock."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate = rate
        self.burst = burst
        self._tokens = 1.0
        self._filled_at = now

    def delay(self, now: float) -> float:
        """Seconds until there is a token; 0 where there is one."""
        self._fill(now)
        return 0.0 if self._tokens >= _ENOUGH else (1.0 - self._tokens) / self.rate

    def take(self) -> None:
        """Take the token that `delay` has just found."""
        self._tokens -= 1.0

    def change(self, rate: float, burst: float, now: float) -> None:
        """Go on with another rate; what is saved up stays, up to the new burst."""
        self._fill(now)
        self.rate, self.burst = rate, burst
        self._tokens = min(self._tokens, burst)

    def _fill(self, now: float) -> None:
        grown = self._tokens + (now - self._filled_at) * self.rate
        self._tokens = min(self.burst, grown)
        self._filled_at = now
