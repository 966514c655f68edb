"""How long to wait before the next attempt.

The backoff is exponential with full jitter, which spreads many workers best (Brooker, "Exponential
backoff and jitter", 2015). Where the server asks for a wait, too, the longer one counts. Both are
capped, so that a Retry-After of a day cannot stop a run.
"""

from dataclasses import dataclass

from fleetpatch.model.answer import Answer, Reply
from fleetpatch.model.units import seconds_of_http_date

_LONGEST = 366 * 86_400
"""Seconds. Longer waits are cut to it, since a very large integer cannot become a float."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds: the first ceiling and the cap of every wait; each attempt doubles the ceiling."""

    base: float = 0.25
    cap: float = 30.0

    def delay(
        self, attempt: int, reply: Reply, *, now: float, random: float, pause: float = 0.0
    ) -> float:
        """The wait after attempt number `attempt` (from 1) was answered by `reply`.

        `now` is seconds since the epoch, `random` uniform in [0, 1). `pause` is the shortest first
        wait that is of use; it doubles as well, and up to as much again is added at random.
        """
        wait = random * self.ceiling(attempt)
        useful = (1 + random) * Backoff(pause, self.cap).ceiling(attempt)
        return min(self.cap, max(wait, useful, retry_after(reply, now) or 0.0))

    def ceiling(self, attempt: int) -> float:
        """The longest wait of our own after attempt number `attempt`."""
        return min(self.cap, self.base * 2.0 ** min(attempt - 1, 64))


def retry_after(reply: Reply, now: float) -> float | None:
    """Seconds that the server asks for; None where it asks for nothing valid.

    The header takes precedence over the body's `details.retryAfterSeconds`. It is whole seconds or
    an HTTP date. Dates in the past and negative numbers are ignored.
    """
    if not isinstance(reply, Answer):
        return None
    candidates = (_parse(reply.retry_after, now), reply.retry_after_seconds)
    sensible = (wait for wait in candidates if wait is not None and wait >= 0)
    return next((float(min(wait, _LONGEST)) for wait in sensible), None)


def _parse(header: str | None, now: float) -> float | None:
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    date = seconds_of_http_date(text)
    return None if date is None else date - now
