"""The wall: so many requests in flight that the server refuses one more.

A server that limits requests in flight refuses only beyond a certain level, so a refusal at a level
at which nothing has been accepted of late points to such a limit; one at a proven level does not,
and is the rate's affair (`refusals`). The limit then stays just below the wall. From time to time
one more is tried, and more seldom each time that it finds the wall where it was.
"""

from math import inf

_HOLD = 15.0
_LONGEST_HOLD = 120.0
_STEP = 2.0
_SAME = 0.8
_PROOF_LASTS = 10.0
_SURE = 3
"""Refusals that are no accident, where a refusal costs nothing."""


class Wall:
    """At most `limit` requests in flight; infinite while no wall was found."""

    def __init__(self, now: float) -> None:
        self.limit = inf
        self._proven = self._proven_before = 0
        self._proven_at = now
        self._hold = _HOLD
        self._until = now
        self._refused = 0

    def accepted(self, level: int, now: float) -> None:
        """A request was accepted, `level` having been in flight with it."""
        if now > self._proven_at + _PROOF_LASTS:
            self._proven, self._proven_before, self._proven_at = 0, self._proven, now
        if level > self._proven:
            self._proven = level
            self._refused = 0
        if level >= self.limit and now >= self._until:
            self.limit += 1
            self._until = now + _STEP

    def refused(self, level: int, now: float, wait: float) -> bool:
        """A request was refused; tells whether it is for its level.

        `wait` is how long everybody must pause for it: then one refusal is enough.
        """
        if level > self.limit:
            return True
        proven = max(self._proven, self._proven_before)
        if not proven or level <= proven:
            # Who refuses all that comes has no wall.
            return False
        self._refused += 1
        if wait or self._refused >= _SURE:
            again = level >= _SAME * self.limit
            self._hold = min(_LONGEST_HOLD, 2 * self._hold) if again else _HOLD
            self.limit = max(1, level - 1)
            self._until = now + wait + self._hold
        return True
