"""How long to wait before the next attempt.

The backoff is exponential with full jitter, which spreads many workers best (Brooker, "Exponential
backoff and jitter", 2015). If the server asks for a wait as well, the longer one is used. Both are
capped, so that a Retry-After of a day cannot stop a run.
"""

import msgspec

from fleetpatch.model.answer import Answer, Reply
from fleetpatch.model.units import seconds_of_http_date

_LONGEST = 366 * 86_400
"""Seconds, a year. Longer waits are cut to it: a very large integer does not fit into a float."""


class Backoff(msgspec.Struct, frozen=True):
    """Seconds: `base` is the ceiling of the first wait, `cap` that of every wait.

    The ceiling doubles with each attempt. The cap lets a worker try again soon after a server has
    recovered.
    """

    base: float = 0.25
    cap: float = 30.0

    def delay(
        self, attempt: int, reply: Reply, *, now: float, random: float, pause: float = 0.0
    ) -> float:
        """The wait in seconds after attempt number `attempt` (from 1) was answered by `reply`.

        `now` is in seconds since the epoch, `random` uniform in [0, 1). `pause` is the shortest
        useful first wait; it doubles with each attempt, and up to 100 % of it are added at random.
        """
        wait = random * self.ceiling(attempt)
        # Unlike `wait`, this has a lower bound: full jitter could return almost 0.
        useful = (1 + random) * Backoff(pause, self.cap).ceiling(attempt)
        return min(self.cap, max(wait, useful, retry_after(reply, now) or 0.0))

    def ceiling(self, attempt: int) -> float:
        """The longest wait after attempt number `attempt`, without a Retry-After."""
        # The exponent is limited, because 2.0 ** 1024 raises OverflowError.
        return min(self.cap, self.base * 2.0 ** min(attempt - 1, 64))


def retry_after(reply: Reply, now: float) -> float | None:
    """The wait in seconds that the server asks for; None if there is no valid one.

    The header takes precedence over `details.retryAfterSeconds` of the body. It contains whole
    seconds or an HTTP date. Dates in the past and negative numbers are ignored.
    """
    if not isinstance(reply, Answer):
        return None
    candidates = (_parse(reply.retry_after, now), reply.retry_after_seconds)
    valid = (wait for wait in candidates if wait is not None and wait >= 0)
    return next((float(min(wait, _LONGEST)) for wait in valid), None)


def _parse(header: str | None, now: float) -> float | None:
    if header is None:
        return None
    text = header.strip()
    # `isdigit` alone accepts digits of other scripts, which HTTP does not.
    if text.isascii() and text.isdigit():
        return float(text)
    date = seconds_of_http_date(text)
    return None if date is None else date - now
