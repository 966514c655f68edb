"""Virtual time: a clock with events, and the processor of a process that competes for its CPU."""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count


class World:
    """A clock, and what is to happen when."""

    def __init__(self) -> None:
        self.now = 0.0
        self._order = count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []

    def after(self, seconds: float, what: Callable[[], None]) -> None:
        """Let something happen so many seconds from now."""
        heapq.heappush(self._events, (self.now + seconds, next(self._order), what))

    def run(self, until: float, done: Callable[[], bool] = lambda: False) -> None:
        """Let time pass."""
        while self._events and self._events[0][0] < until and not done():
            self.now, _, what = heapq.heappop(self._events)
            what()


@dataclass
class Processor:
    """The CPU time of one process, which runs one event at a time.

    Each event takes `cost` seconds. After about `gap` seconds other processes have the CPU, for
    about `stall` seconds, and all events wait.
    """

    world: World
    luck: random.Random = field(default_factory=lambda: random.Random(3))
    cost: float = 0.0
    stall: float = 0.0
    gap: float = 0.03
    _free_at: float = 0.0
    _stalls_at: float = 0.0

    def run(self, what: Callable[[], None]) -> None:
        """Run an event when there is CPU time for it."""
        if not self.cost and not self.stall:
            what()
            return
        start = max(self.world.now, self._free_at)
        while self.stall and self._stalls_at <= start:
            end = self._stalls_at + self.luck.expovariate(1 / self.stall)
            start = max(start, end)
            self._stalls_at = end + self.luck.expovariate(1 / self.gap)
        self._free_at = start + self.cost
        self.world.after(self._free_at - self.world.now, what)
