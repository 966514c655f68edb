"""Retry-After: all requests to a cluster stop at once, and come back one by one.

The first one to be told so pauses everybody, a little longer than asked, by chance, so that many
clients do not return together. The others, which were on their way already, are told the same and
can only prolong it. Afterwards a single request goes; each one that is accepted lets one more go,
no faster than all of them in `_SPREAD` seconds.
"""

from math import inf

_JITTER = 0.1
_SPREAD = 0.5


class Pause:
    """`until` is when the last one ends; `opening`, how many may be in flight since."""

    def __init__(self) -> None:
        self.until = -inf
        self.opening = inf
        self._next = -inf

    def begin(self, sent_at: float, now: float, wait: float, random: float) -> None:
        """A request that was sent at that time was told to wait; `random` is from [0, 1)."""
        first = sent_at >= self.until
        until = now + wait * (1.0 + _JITTER * random if first else 1.0)
        self.until = self._next = max(self.until, until)
        self.opening = 1.0

    def accepted(self, sent_at: float, now: float, limit: float) -> None:
        """A request was accepted; `limit` is where the opening ends."""
        if sent_at < self.until or now < self._next:
            return
        self.opening += 1.0
        self._next = now + _SPREAD / limit
        if self.opening >= limit:
            self.opening = inf
