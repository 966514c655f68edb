"""Servers whose latency is a function of what is in flight, and climbs over them.

Without chance: equal servers lead to equal limits. `Rounds` plays a climb round by round.
"""

from collections.abc import Callable, Iterator
from itertools import groupby
from math import inf

from fleetpatch.rules.pacing.hill_climb import HillClimb
from fleetpatch.rules.pacing.tuning import Tuning


def answers(
    climb: HillClimb,
    latency: Callable[[int], float],
    seconds: float,
    share: float = 1.0,
    most: int = 1000,
    start: float = 0.0,
    left: float = inf,
) -> Iterator[tuple[float, int]]:
    """Keep this share of the limit in flight, at most so many; yield the time and the limit.

    `left` more requests wait all the time.
    """
    now, in_flight = start, list[tuple[float, float, int]]()
    while now < start + seconds:
        limit = min(most, max(1, round(share * climb.limit)))
        while len(in_flight) < limit:
            level = len(in_flight) + 1
            in_flight.append((now + latency(level), now, level))
        in_flight.sort()
        at, sent_at, level = in_flight.pop(0)
        now = max(at, now + 1e-6)  # answers come one after the other
        climb.accepted(sent_at, level, now, left)
        yield now, climb.limit


def climbed(
    latency: Callable[[int], float], seconds: float = 20.0, ceiling: int = 128
) -> HillClimb:
    climb = HillClimb(Tuning(), Tuning().start, ceiling, 0.0)
    for _ in answers(climb, latency, seconds):
        pass
    return climb


def knee(at: int) -> Callable[[int], float]:
    return lambda level: 0.02 * max(1.0, level / at)


def elastic(share: float) -> Callable[[int], float]:
    """Throughput grows by this share of what is in flight, in logarithms."""
    return lambda level: 0.002 * level ** (1.0 - share)


class Rounds:
    """A climb at its ceiling of 16, in a comparison with 11; below a higher one at 32, with 23."""

    def __init__(self, ceiling: int = 16) -> None:
        self.climb, self.now = HillClimb(Tuning(), 16, ceiling, 0.0), 0.0
        while self.climb.is_starting or not self.compares:
            self.play(1000.0)

    @property
    def compares(self) -> bool:
        """Whether the round is one at another limit."""
        return self.climb.limit != self.climb.settled

    def play(self, throughput: float) -> None:
        """Answer as many requests as a round takes."""
        sent_at, limit = self.now + 1.0, self.climb.limit
        self.now = sent_at + limit / throughput
        for _ in range(Tuning().round):
            self.climb.accepted(sent_at, limit, self.now)

    def compare(self, *gains: float) -> int:
        """Play rounds at the other limit, and at the settled one between; return what settles."""
        for gain in gains:
            assert self.compares
            self.play(gain * 1000.0)
            self.play(1000.0)
        return self.climb.settled


def limits_after(
    climb: HillClimb, latency: Callable[[int], float], seconds: float, start: float = 10.0
) -> list[int]:
    """The limits in turn, while requests are answered from then on."""
    limits = [climb.limit]
    limits += [limit for _, limit in answers(climb, latency, seconds, start=start)]
    return [limit for limit, _ in groupby(limits)]
