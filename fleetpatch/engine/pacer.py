"""The pacer: a token bucket that every request to one cluster passes.

Who comes takes a token at once and, where the bucket is overdrawn, waits until it would be level
again: a reservation, so waiters leave in the order in which they came and none starves. In any
window of t seconds at most `burst + rate * t` requests pass.
"""

from fleetpatch.model.ports import Clock


class Pacer:
    """At most `rate` requests a second with `burst` at once; `rate` None lets everybody pass."""

    def __init__(self, clock: Clock, rate: float | None, burst: int = 1) -> None:
        self._clock = clock
        self._rate = rate
        self._burst = float(burst)
        self._tokens = float(burst)
        self._filled_at = clock.monotonic()

    def reserve(self) -> float:
        """Take a token; gives the seconds to wait for it. Who does not wait forfeits it."""
        if self._rate is None:
            return 0.0
        now = self._clock.monotonic()
        grown = self._tokens + (now - self._filled_at) * self._rate
        self._tokens = min(self._burst, grown) - 1.0
        self._filled_at = now
        return max(0.0, -self._tokens / self._rate)
