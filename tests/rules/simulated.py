"""A simulated server and a client that never runs out of work, in virtual time."""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from math import inf
from typing import TypeAlias

from fleetpatch.rules.pacing.governor import Ceilings, Governor, Permit
from fleetpatch.rules.pacing.reply_signal import ReplySignal

DEFAULT = Ceilings(None, 1, 128, adaptive=True)


@dataclass
class Server:
    """Takes `rate` a second and `wall` in flight, and is slower beyond `knee`; refuses the rest.

    `travel` is the seconds that a request is under way before it arrives and after it is answered,
    at most: so much do others know less than the server about what is in flight.
    """

    rate: float | None = None
    wall: int | None = None
    knee: int | None = None
    latency: float = 0.01
    travel: float = 0.0
    retry_after: float | None = None
    refuses_until: float = 0.0
    in_flight: int = 0
    luck: random.Random = field(default_factory=lambda: random.Random(1))
    _tokens: float = 20.0
    _at: float = 0.0

    def arrive(self, now: float) -> tuple[float, ReplySignal]:
        self.in_flight += 1
        if self.rate is not None:
            self._tokens = min(20.0, self._tokens + (now - self._at) * self.rate)
            self._at = now
        broke = self.rate is not None and self._tokens < 1.0
        if broke or now < self.refuses_until or (self.wall and self.in_flight > self.wall):
            return 0.001, ReplySignal.REFUSED
        self._tokens -= 1.0
        crowd = max(1.0, self.in_flight / self.knee) if self.knee else 1.0
        return self.latency * crowd * self.luck.uniform(0.8, 1.2), ReplySignal.ACCEPTED


@dataclass
class Record:
    """What was answered: when, how, after how long, and how many were in flight with it."""

    answers: list[tuple[float, ReplySignal, float, int]] = field(default_factory=list)

    def goodput(self, start: float, end: float) -> float:
        fine = (
            sign is ReplySignal.ACCEPTED and start <= at < end for at, sign, _, _ in self.answers
        )
        return sum(fine) / (end - start)

    def refused(self, start: float, end: float) -> float:
        signs = [sign for at, sign, _, _ in self.answers if start <= at < end]
        return sum(sign is ReplySignal.REFUSED for sign in signs) / max(1, len(signs))

    def latency(self, quantile: float, start: float, end: float) -> float:
        taken = sorted(took for at, _, took, _ in self.answers if start <= at < end)
        return taken[int(quantile * len(taken))]

    def level(self, start: float, end: float) -> float:
        levels = [level for at, _, _, level in self.answers if start <= at < end]
        return sum(levels) / len(levels)


Change: TypeAlias = tuple[float, Callable[[Server], None]]


class Simulation:
    """Whoever is refused comes again at once."""

    def __init__(self, server: Server, ceilings: Ceilings) -> None:
        self.record = Record()
        self._server = server
        self._governor = Governor(ceilings, 0.0, random.Random(2).random)
        self._order = count()
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._asked_at = inf

    def run(self, seconds: float, changes: tuple[Change, ...]) -> None:
        """Let so much time pass, with changes of the server at their times."""
        for at, change in changes:
            self._later(at, lambda _now, change=change: change(self._server))  # type: ignore[misc]
        self._later(0.0, self._send)
        while self._events and self._events[0][0] < seconds:
            now, _, what = heapq.heappop(self._events)
            what(now)

    def _later(self, at: float, what: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (at, next(self._order), what))

    def _ask(self, now: float) -> None:
        self._asked_at = inf
        self._send(now)

    def _send(self, now: float) -> None:
        while isinstance(turn := self._governor.admit(now), Permit):
            permit = turn
            self._later(now + self._travel(), lambda at, permit=permit: self._arrive(permit, at))  # type: ignore[misc]
        if now + turn < self._asked_at:
            self._asked_at = now + max(turn, 1e-4)
            self._later(self._asked_at, self._ask)

    def _arrive(self, permit: Permit, now: float) -> None:
        took, sign = self._server.arrive(now)
        level = self._server.in_flight

        def leave(at: float) -> None:
            self._server.in_flight -= 1
            self._later(at + self._travel(), done)

        def done(at: float) -> None:
            wait = self._server.retry_after if sign is ReplySignal.REFUSED else None
            self._governor.answered(permit, sign, at, wait)
            self.record.answers.append((at, sign, took, level))
            self._send(at)

        self._later(now + took, leave)

    def _travel(self) -> float:
        return self._server.travel * self._server.luck.random()


def simulate(
    server: Server, seconds: float, ceilings: Ceilings = DEFAULT, *changes: Change
) -> Record:
    """What became of all requests in so many seconds."""
    simulation = Simulation(server, ceilings)
    simulation.run(seconds, changes)
    return simulation.record
