"""The wall: so many requests in flight that the server refuses one more.

A server that limits requests in flight refuses only what comes beyond a certain level. It counts
otherwise than its client, to whom a request is in flight from the first byte sent to the last byte
read: what the client takes for ten may be eight there, or ten after all where they bunch. So an
acceptance at a level proves little, and a refusal points to the wall where its level is *unusual*:
hardly anything was accepted there or higher of late. One at a usual level is the rate's affair
(`refusals`), but where the wall was just found, the next refusals are more likely to mean that it
is lower still.

The limit goes to just below the level where a refusal costs nothing but itself, and well below it
where everybody has to pause for it. From time to time a little more is tried; more seldom each time
that it finds the wall where it was.
"""

from collections import Counter
from math import inf

_HOLD = 20.0
_LONGEST_HOLD = 120.0
_STEP = 2.0
_GROWTH = 0.1
_NEAR = 0.8
_FAR_BELOW = 0.5
_BELOW = 0.9
_KEPT = 0.7
"""What is kept of the level at first, and soon after, where the refusal costs a pause."""
_MEMORY = 10.0
_RARE = 0.03
_FEW = 2
_SURE = 3
"""Refusals that are no accident, where a refusal costs nothing."""
_SERIES = 2


class InflightLimit:
    """At most `limit` requests in flight; infinite while no wall was found."""

    def __init__(self, now: float) -> None:
        self.limit = inf
        self._accepted: Counter[int] = Counter()
        self._accepted_before: Counter[int] = Counter()
        self._since = now
        self._hold = _HOLD
        self._stride = 1
        self._until = now
        self._plateau: float = inf
        self._next = self._lowered_at = now
        self._refused = 0
        self._series = 0

    def accepted(self, level: int, now: float) -> None:
        """A request was accepted, `level` having been in flight with it."""
        if now > self._since + _MEMORY:
            self._accepted, self._accepted_before = Counter(), self._accepted
            self._since = now
        self._accepted[level] += 1
        if level >= self.limit and now >= self._next:
            self._raise(now)

    def refused(self, level: int, sent_at: float, now: float, wait: float) -> bool:
        """A request that was sent at that time was refused; tells whether it is for its level.

        `wait` is how long everybody must pause for it: then one refusal is enough.
        """
        if level > self.limit or sent_at < self._lowered_at:
            return True
        if not self._is_suspect(level, now, wait):
            if level <= _FAR_BELOW * self.limit:
                # Who refuses even so few has not been refusing many for being many.
                self.limit = self._plateau = inf
            return False
        self._refused += 1
        if wait or self._refused >= _SURE:
            self._lower(level, now, wait)
        return True

    def _raise(self, now: float) -> None:
        if now >= self._until:
            self.limit += self._stride
            self._stride *= 2
        else:
            self.limit = min(self.limit + self._stride, self._plateau)
        self._next = now + _STEP

    def _is_suspect(self, level: int, now: float, wait: float) -> bool:
        levels = self._accepted + self._accepted_before
        if not levels:
            # Who refuses all that comes has no wall.
            return False
        usual = sum(count for at, count in levels.items() if at >= level)
        if usual <= (max(_FEW, _RARE * levels.total()) if wait else 0):
            return True
        lower_still = bool(wait) and now < self._until and level >= _NEAR * self.limit
        self._series = self._series + 1 if lower_still else 0
        return lower_still and self._series <= _SERIES

    def _lower(self, level: int, now: float, wait: float) -> None:
        again = level >= _NEAR * self._plateau
        self._hold = min(_LONGEST_HOLD, 2 * self._hold) if again else _HOLD
        self._plateau = max(1, min(level - 1, int(_BELOW * level) if wait else level))
        self.limit = max(1, int(_KEPT * level)) if wait and not again else self._plateau
        self._stride = max(1, int(_GROWTH * self.limit))
        self._lowered_at = now
        self._next = now + wait + _STEP
        self._until = now + wait + self._hold
        self._refused = 0
