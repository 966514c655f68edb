"""Clients of the simulated servers, to try the pace on in milliseconds.

A `Client` is a number of workers, each with one target at a time: it asks the governor, sends, and
where it is refused waits by its own backoff, as fleetpatch's workers do. With the gate `Open` it
is the same client without a governor.
"""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple, Protocol

from fleetpatch.model.answer import Answer
from fleetpatch.model.pace import Ceilings
from fleetpatch.rules.answers.reply_signal import ReplySignal
from fleetpatch.rules.pacing.governor import Governor, Permit
from fleetpatch.rules.pacing.tuning import Tuning
from fleetpatch.rules.running.backoff import Backoff
from tests.rules.pacing.simulated_servers import Api, FairQueue, Reply, Server
from tests.rules.pacing.simulated_time import Processor, World

DEFAULT = Ceilings(None, 1, 128, adaptive=True)


class Seen(NamedTuple):
    """An answer, as the client sees it."""

    sent_at: float
    at: float
    signal: ReplySignal
    in_flight: int


@dataclass
class Record:
    """All answers, in the order in which they came."""

    answers: list[Seen] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Until the last answer."""
        return self.answers[-1].at if self.answers else 0.0

    def goodput(self, start: float = 0.0, end: float = inf) -> float:
        """Accepted requests a second."""
        end = min(end, self.seconds)
        fine = sum(
            one.signal is ReplySignal.ACCEPTED and start <= one.at < end for one in self.answers
        )
        return fine / (end - start)

    def refused(self, start: float = 0.0, end: float = inf) -> float:
        """The share that was refused."""
        signals = [one.signal for one in self.answers if start <= one.at < end]
        return sum(signal is ReplySignal.REFUSED for signal in signals) / max(1, len(signals))

    def latency(self, quantile: float, start: float = 0.0, end: float = inf) -> float:
        """Seconds that an accepted request took."""
        taken = sorted(
            one.at - one.sent_at
            for one in self.answers
            if start <= one.at < end and one.signal is ReplySignal.ACCEPTED
        )
        return taken[int(quantile * len(taken))]

    def in_flight(self, start: float, end: float) -> float:
        """Requests in flight, on average (Little's law)."""
        seen = [one for one in self.answers if start <= one.at < end]
        return sum(one.at - one.sent_at for one in seen) / (end - start)


class Gate(Protocol):
    """What a client asks before it sends."""

    def admit(self, now: float) -> Permit | float:
        """A permit, or the seconds to wait."""

    def answered(
        self, permit: Permit, signal: ReplySignal, now: float, wait: float = 0.0, left: float = inf
    ) -> None:
        """Learn of the answer."""


class Open:
    """Lets everybody go."""

    def __init__(self) -> None:
        self._in_flight = 0

    def admit(self, now: float) -> Permit:
        """A permit."""
        self._in_flight += 1
        return Permit(now, self._in_flight, self._in_flight)

    def answered(self, *_args: object, **_named: object) -> None:
        """Learn nothing."""
        self._in_flight -= 1


class Client:
    """Workers with `targets` to patch (endless where inf), each with a backoff of its own."""

    def __init__(
        self,
        world: World,
        server: Api,
        gate: Gate,
        workers: int = 128,
        targets: float = inf,
        seed: int = 2,
        processor: Processor | None = None,
    ) -> None:
        self._processor = processor or Processor(world)
        self.record = Record()
        self._world, self._server, self._gate = world, server, gate
        self._left = targets
        self.open = targets
        self._luck = random.Random(seed)
        self._backoff = Backoff()
        self._line: deque[int] = deque()
        self._asks_at = inf
        for _ in range(workers):
            self._next()
        world.after(0.0, self._pump)

    def _next(self) -> None:
        if self._left:
            self._left -= 1
            self._line.append(1)

    def _wake(self, at: float) -> None:
        if at == self._asks_at:
            self._asks_at = inf
            self._pump()

    def _ask_at(self, at: float) -> None:
        wait = at - self._world.now
        self._world.after(wait, lambda: self._processor.run(lambda: self._wake(at)))

    def _pump(self) -> None:
        now = self._world.now
        while self._line:
            turn = self._gate.admit(now)
            if not isinstance(turn, Permit):
                if now + turn < self._asks_at - 1e-9:
                    self._asks_at = now + max(turn, 1e-4)
                    self._ask_at(self._asks_at)
                return
            self._send(turn, self._line.popleft())

    def _send(self, permit: Permit, attempt: int) -> None:
        def answer(reply: Reply) -> None:
            now = self._world.now
            self._gate.answered(
                permit, reply.signal, now, reply.retry_after or 0.0, self._count_left()
            )
            self.record.answers.append(Seen(permit.sent_at, now, reply.signal, permit.in_flight))
            if reply.signal is ReplySignal.ACCEPTED:
                self.open -= 1
                self._next()
            else:
                self._world.after(
                    self._wait(attempt, reply),
                    lambda: self._processor.run(lambda: self._again(attempt + 1)),
                )
            self._pump()

        self._server.arrive(lambda reply: self._processor.run(lambda: answer(reply)))

    def _count_left(self) -> float:
        return self._left + len(self._line)

    def _wait(self, attempt: int, reply: Reply) -> float:
        seconds = None if reply.retry_after is None else str(int(reply.retry_after))
        answer = Answer(429, retry_after=seconds)
        return self._backoff.delay(attempt, answer, now=0.0, random=self._luck.random())

    def _again(self, attempt: int) -> None:
        self._line.append(attempt)
        self._pump()


def governed(ceilings: Ceilings = DEFAULT, seed: int = 2, tuning: Tuning | None = None) -> Governor:
    """A governor at the beginning of time."""
    return Governor(ceilings, 0.0, random.Random(seed).random, tuning or Tuning())


def simulate(
    server: Server | FairQueue,
    seconds: float,
    ceilings: Ceilings = DEFAULT,
    *changes: tuple[float, Callable[[], None]],
    workers: int = 128,
    tuning: Tuning | None = None,
    gate: Gate | None = None,
    processor: Processor | None = None,
) -> Record:
    """What became of all requests in so many seconds, with changes of the server at their times."""
    world = server.world
    for at, change in changes:
        world.after(at, change)
    gate = gate or governed(ceilings, tuning=tuning)
    client = Client(world, server, gate, workers, processor=processor)
    world.run(seconds)
    return client.record
