"""Outages: when a server was last gone, so that it may have been started again since.

A server that has just been started answers before it knows everybody's rights and all custom kinds,
and refuses what it will take a second later. So for `SETTLING` seconds after an outage such a
refusal is not final: it is sent again like a 503.

No connection at all is an outage. A connection that broke is one only where many break at once, as
they do when a process dies; one or two are everyday faults, after which a refusal means what it
says.
"""

from collections import deque

SETTLING = 10.0
"""Seconds after an outage within which a server may not be itself yet."""

TOGETHER = 6
"""Connections that break within a second of each other when a server dies."""


class Outage:
    """Shared by the workers of a lane. Times are those of a monotonic clock."""

    def __init__(self) -> None:
        self._last = float("-inf")
        self._broken: deque[float] = deque(maxlen=TOGETHER)

    def note(self, now: float, *, alone: bool) -> None:
        """The server was silent; `alone` where that may concern this one connection only."""
        self._broken.append(now)
        many = len(self._broken) == TOGETHER and now - self._broken[0] < 1.0
        if many or not alone:
            self._last = now

    def is_recent(self, now: float) -> bool:
        """Whether the server may have been started just now."""
        return now - self._last < SETTLING
