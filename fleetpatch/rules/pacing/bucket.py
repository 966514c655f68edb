"""A token bucket: in any span of t seconds at most `burst + rate * t` requests pass.

It starts with one token, since a program that has just begun has saved none.
"""

from math import inf


class TokenBucket:
    """At most `rate` a second (infinite: any number) with `burst` at once."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate, self.burst = rate, burst
        self._tokens, self._filled_at = 1.0, now

    def delay(self, now: float) -> float:
        """Return the seconds until the next token; 0 if a token is there."""
        if self.rate == inf:
            return 0.0
        self._tokens = min(self.burst, self._tokens + (now - self._filled_at) * self.rate)
        self._filled_at = now
        # Sums of floats are a little off, and a wait must not be too short for a clock.
        return 0.0 if self._tokens > 1.0 - 1e-9 else (1.0 - self._tokens) / self.rate

    def take(self) -> None:
        """Take the token that `delay` has just found."""
        if self.rate < inf:
            self._tokens -= 1.0

    def change(self, rate: float, burst: float, now: float) -> None:
        """Continue with another rate; a lower one starts without saved tokens."""
        self.delay(now)
        if rate < self.rate:
            self._tokens = 0.0
        self._filled_at = now
        self.rate, self.burst = rate, burst
