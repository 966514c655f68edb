"""A token bucket: limits a rate, and how many may pass at once."""

from math import inf


class TokenBucket:
    """With one rate and burst, in any t seconds at most `burst + rate * t` requests pass.

    `burst` is at least 1. At the start there are so many `tokens`.
    """

    def __init__(self, tokens: float, now: float) -> None:
        self._tokens, self._filled_at = tokens, now

    def take(self, rate: float, burst: float, now: float) -> float:
        """Take a token and return 0, or return the seconds until there is one."""
        if rate == inf:
            self._filled_at = now
            return 0.0
        self._tokens = min(burst, self._tokens + (now - self._filled_at) * rate)
        self._filled_at = now
        # Sums of floats are a little off, and a wait must not be too short for a clock.
        if self._tokens < 1.0 - 1e-9:
            return (1.0 - self._tokens) / rate
        self._tokens -= 1.0
        return 0.0
