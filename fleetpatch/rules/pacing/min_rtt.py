"""The baseline: the latency of a request that meets no queue.

It is a median of many answers, so that no lucky one can set it, and it is learned again and again:
every few seconds a *sounding* goes with so few requests that they cannot queue behind each other,
and soon once more where the baseline turns out to be off. In between it follows what comes close
to it, both ways, because a baseline that only ever falls ends up at the luckiest round.
"""

from statistics import median

_EVERY = 5.0
_SOON = 1.5
_FIRST = 1.0
_SELDOM = 10
"""A sounding may take this share of the time at most: one part in so many."""
_OFF = 0.2
_NEAR = 1.15
_DRIFT = 0.1
_DOWN = 0.8
_UP = 0.5


class MinRtt:
    """`latency` in seconds, 0 while nothing is known; `sounded` tells that a look was taken."""

    def __init__(self, now: float) -> None:
        self.latency = 0.0
        self.sounded = False
        self._unloaded: list[float] = []
        self._due = now + _FIRST

    def is_due(self, latency: float, now: float) -> bool:
        """Whether to sound: it is time, and there seems to be a queue to look beneath."""
        return now >= self._due and latency > _NEAR * self.latency

    def gather(self, latencies: list[float]) -> None:
        """Learn from a start without a queue."""
        self._unloaded += latencies
        self.latency = median(self._unloaded)

    def follow(self, latency: float) -> None:
        """Follow the median of a round that comes close."""
        if latency < _NEAR * self.latency:
            self.latency += _DRIFT * (latency - self.latency)

    def sound(self, latency: float, seconds: float, now: float) -> None:
        """Learn from a sounding that took so many seconds."""
        off = abs(latency - self.latency) > _OFF * self.latency
        self.sounded = self.sounded or not off
        self._due = now + (max(_SOON, 2 * seconds) if off else max(_EVERY, _SELDOM * seconds))
        self.latency += (_DOWN if latency < self.latency else _UP) * (latency - self.latency)

    def replace(self, latency: float) -> None:
        """Begin anew: it was wrong."""
        self.latency = latency
        self._due = 0.0
