"""Servers and clients in virtual time, to try the pace on in milliseconds.

A `Server` takes what its fields allow and refuses the rest; a `FairQueue` has seats and a queue for
each flow, as API Priority and Fairness has. A `Client` is a number of workers, each with one target
at a time: it asks the governor, sends, and where it is refused waits by its own backoff, as
fleetpatch's workers do. `plain` is the same client without a governor.
"""

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from math import inf
from typing import NamedTuple, Protocol

from fleetpatch.model.answer import Answer
from fleetpatch.model.pace import Ceilings
from fleetpatch.rules.answers.reply_signal import ReplySignal
from fleetpatch.rules.pacing.governor import Governor, Permit
from fleetpatch.rules.pacing.tuning import Tuning
from fleetpatch.rules.running.backoff import Backoff

DEFAULT = Ceilings(None, 1, 128, adaptive=True)
_REFUSAL_TAKES = 0.001


class Reply(NamedTuple):
    """What a server answers."""

    signal: ReplySignal
    retry_after: float | None = None


ACCEPTED = Reply(ReplySignal.ACCEPTED)


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
