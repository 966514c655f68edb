"""Servers in virtual time.

A `Server` takes what its fields allow and refuses the rest; a `FairQueue` has seats and a queue for
each flow, as API Priority and Fairness has.
"""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from fleetpatch.rules.answers.reply_signal import ReplySignal
from tests.rules.pacing.simulated_time import Processor, World

_REFUSAL_TAKES = 0.001


class Reply(NamedTuple):
    """What a server answers."""

    signal: ReplySignal
    retry_after: float | None = None


ACCEPTED = Reply(ReplySignal.ACCEPTED)


@dataclass
class Server:
    """Takes `rate` a second and `wall` in flight, and is slower beyond `knee`; refuses the rest.

    `stray`: the share that it refuses by chance, whatever the pace. `travel`: the longest time that
    a request is under way to it and an answer back. `others`: requests in flight of other clients.
    `batching`: the part of the latency that requests in flight share.
    """

    world: World
    luck: random.Random = field(default_factory=lambda: random.Random(1))
    latency: float = 0.02
    jitter: float = 0.2
    rate: float | None = None
    burst: float = 20.0
    wall: int | None = None
    knee: float | None = None
    contention: float | None = None
    stray: float = 0.0
    refuses: bool = False
    retry_after: float | None = None
    travel: float = 0.0
    processor: Processor | None = None
    in_flight: int = 0
    _at: float = 0.0
    _tokens: float = 0.0

    def __post_init__(self) -> None:
        self._tokens = self.burst
        self._processor = self.processor or Processor(self.world)

    def arrive(self, answer: Callable[[Reply], None]) -> None:
        """Take a request, and answer it in time."""
        self.world.after(self._way(), lambda: self._processor.run(lambda: self._take(answer)))

    def _take(self, answer: Callable[[Reply], None]) -> None:
        self.in_flight += 1
        refused = self._refuses()
        reply = Reply(ReplySignal.REFUSED, self.retry_after) if refused else ACCEPTED

        def leave() -> None:
            self.in_flight -= 1
            self.world.after(self._way(), lambda: answer(reply))

        self.world.after(_REFUSAL_TAKES if refused else self._seconds(), leave)

    def _refuses(self) -> bool:
        if self.refuses or self.luck.random() < self.stray:
            return True
        if self.wall is not None and self.in_flight > self.wall:
            return True
        return self.rate is not None and not self._has_token(self.rate)

    def _has_token(self, rate: float) -> bool:
        now = self.world.now
        self._tokens = min(self.burst, self._tokens + (now - self._at) * rate)
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def _seconds(self) -> float:
        crowd = max(1.0, self.in_flight / self.knee) if self.knee else 1.0
        if self.contention is not None:
            crowd = max(crowd, self.in_flight**self.contention)
        return self.latency * crowd * self.luck.uniform(1 - self.jitter, 1 + self.jitter)

    def _way(self) -> float:
        return self.travel * self.luck.random()


@dataclass
class FairQueue:
    """`seats` requests are served at a time, flow by flow in turns; a full queue refuses."""

    world: World
    luck: random.Random = field(default_factory=lambda: random.Random(1))
    seats: int = 10
    queue: int = 20
    latency: float = 0.02
    waits: list[float] = field(default_factory=list)
    _busy: int = 0
    _queues: dict[str, deque[tuple[float, Callable[[Reply], None]]]] = field(default_factory=dict)

    def arrive(self, answer: Callable[[Reply], None], flow: str = "ours") -> None:
        """Take a request of a flow."""
        line = self._queues.setdefault(flow, deque())
        if len(line) >= self.queue:
            refusal = Reply(ReplySignal.REFUSED, 1.0)
            self.world.after(_REFUSAL_TAKES, lambda: answer(refusal))
            return
        line.append((self.world.now, answer))
        self._serve()

    def neighbour(self, rate: float) -> None:
        """Another flow sends so many a second, by chance, whatever it is answered."""
        self.arrive(lambda _reply: None, "theirs")
        self.world.after(self.luck.expovariate(rate), lambda: self.neighbour(rate))

    def _serve(self) -> None:
        while self._busy < self.seats:
            flow = next((name for name, line in self._queues.items() if line), None)
            if flow is None:
                return
            line = self._queues.pop(flow)
            came, answer = line.popleft()
            self._queues[flow] = line
            if flow == "theirs":
                self.waits.append(self.world.now - came)
            self._busy += 1
            took = self.latency * self.luck.uniform(0.8, 1.2)
            self.world.after(took, lambda answer=answer: self._leave(answer))  # type: ignore[misc]

    def _leave(self, answer: Callable[[Reply], None]) -> None:
        self._busy -= 1
        answer(ACCEPTED)
        self._serve()


class Api(Protocol):
    """What takes requests."""

    def arrive(self, answer: Callable[[Reply], None]) -> None:
        """Take a request."""
