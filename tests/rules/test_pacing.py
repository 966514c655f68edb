"""The pace of one cluster, over simulated servers in virtual time.

Covered: goodput and refusals at a token bucket of unknown rate, a limit of requests in flight, a
latency that grows beyond a knee, capacity that goes and comes back, one lucky sample, a server that
refuses everything for a while, ceilings, what replies say. Left out: waiting and the line
(tests/engine/test_pacer.py), real sockets (bench/pace.py).
"""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from math import inf

import pytest

from fleetpatch.model.answer import Answer, NoAnswer, Reply, Silence
from fleetpatch.rules.pacing.governor import Ceilings, Governor, Permit
from fleetpatch.rules.pacing.signs import Sign, sign_of

DEFAULT = Ceilings(None, 1, 128, adaptive=True)


@dataclass
class Server:
    """Takes `rate` a second and `wall` in flight, and is slower beyond `knee`; refuses the rest."""

    rate: float | None = None
    wall: int | None = None
    knee: int | None = None
    latency: float = 0.01
    retry_after: float | None = None
    refuses_until: float = 0.0
    in_flight: int = 0
    luck: random.Random = field(default_factory=lambda: random.Random(1))
    _tokens: float = 20.0
    _at: float = 0.0

    def arrive(self, now: float) -> tuple[float, Sign]:
        self.in_flight += 1
        if self.rate is not None:
            self._tokens = min(20.0, self._tokens + (now - self._at) * self.rate)
            self._at = now
        broke = self.rate is not None and self._tokens < 1.0
        if broke or now < self.refuses_until or (self.wall and self.in_flight > self.wall):
            return 0.001, Sign.REFUSED
        self._tokens -= 1.0
        crowd = max(1.0, self.in_flight / self.knee) if self.knee else 1.0
        return self.latency * crowd * self.luck.uniform(0.8, 1.2), Sign.ACCEPTED


@dataclass
class Record:
    """What was answered: when, how, after how long, and how many were in flight with it."""

    answers: list[tuple[float, Sign, float, int]] = field(default_factory=list)

    def goodput(self, start: float, end: float) -> float:
        fine = (sign is Sign.ACCEPTED and start <= at < end for at, sign, _, _ in self.answers)
        return sum(fine) / (end - start)

    def refused(self, start: float, end: float) -> float:
        signs = [sign for at, sign, _, _ in self.answers if start <= at < end]
        return sum(sign is Sign.REFUSED for sign in signs) / max(1, len(signs))

    def latency(self, quantile: float, start: float, end: float) -> float:
        taken = sorted(took for at, _, took, _ in self.answers if start <= at < end)
        return taken[int(quantile * len(taken))]

    def level(self, start: float, end: float) -> float:
        levels = [level for at, _, _, level in self.answers if start <= at < end]
        return sum(levels) / len(levels)


def simulate(
    server: Server,
    seconds: float,
    ceilings: Ceilings = DEFAULT,
    *changes: tuple[float, Callable[[Server], None]],
) -> Record:
    """There is always more to do; whoever is refused comes again at once."""
    governor, record, order = Governor(ceilings, 0.0, random.Random(2).random), Record(), count()
    events: list[tuple[float, int, Callable[[float], None]]] = []

    def later(at: float, what: Callable[[float], None]) -> None:
        heapq.heappush(events, (at, next(order), what))

    asked_at = inf

    def ask(now: float) -> None:
        nonlocal asked_at
        asked_at = inf
        send(now)

    def send(now: float) -> None:
        nonlocal asked_at
        while isinstance(turn := governor.admit(now), Permit):
            answer(turn, now)
        if now + turn < asked_at:
            asked_at = now + max(turn, 1e-4)
            later(asked_at, ask)

    def answer(permit: Permit, now: float) -> None:
        took, sign = server.arrive(now)
        level = server.in_flight

        def done(at: float) -> None:
            server.in_flight -= 1
            wait = server.retry_after if sign is Sign.REFUSED else None
            governor.answered(permit, sign, at, wait)
            record.answers.append((at, sign, took, level))
            send(at)

        later(now + took, done)

    for at, change in changes:
        later(at, lambda _now, change=change: change(server))  # type: ignore[misc]
    later(0.0, send)
    while events and events[0][0] < seconds:
        now, _, what = heapq.heappop(events)
        what(now)
    return record


@pytest.mark.parametrize("rate", [100, 500, 1000])
def test_nine_tenths_of_an_unknown_rate_are_used_and_few_are_refused(rate: float) -> None:
    record = simulate(Server(rate=rate), 25)

    assert record.goodput(5, 25) >= 0.9 * rate
    assert record.refused(5, 25) <= 0.05


def test_a_limit_of_requests_in_flight_is_found_and_kept_to() -> None:
    record = simulate(Server(wall=8, latency=0.02), 20)

    assert record.goodput(5, 20) >= 0.75 * 8 / 0.02
    assert record.refused(5, 20) <= 0.05


def test_no_queue_is_built_up_beyond_the_knee() -> None:
    server = Server(knee=16, latency=0.05)

    record = simulate(server, 25)

    assert record.goodput(5, 25) >= 0.9 * 16 / 0.05
    assert record.latency(0.95, 5, 25) <= 2 * 0.05 * 1.2


def test_what_others_take_away_is_left_to_them_and_taken_back() -> None:
    def share(knee: int) -> Callable[[Server], None]:
        return lambda server: setattr(server, "knee", knee)

    server = Server(knee=32, latency=0.05)
    record = simulate(server, 40, DEFAULT, (15, share(16)), (25, share(32)))

    before = record.level(12, 15)
    assert record.level(18, 25) <= 0.75 * before
    assert record.goodput(35, 40) >= 0.85 * record.goodput(10, 15)


def test_one_lucky_answer_sets_no_baseline() -> None:
    def once(server: Server) -> None:
        server.latency = 0.001

    def again(server: Server) -> None:
        server.latency = 0.02

    lucky = simulate(Server(latency=0.02), 15, DEFAULT, (3.0, once), (3.02, again))
    plain = simulate(Server(latency=0.02), 15)

    assert lucky.goodput(8, 15) >= 0.9 * plain.goodput(8, 15)


@pytest.mark.parametrize("until", [3.0, 10.0])
def test_after_a_storm_the_pace_is_back_within_seconds(until: float) -> None:
    record = simulate(Server(latency=0.02, retry_after=1.0, refuses_until=until), until + 10)

    assert len([at for at, *_ in record.answers if at < until]) <= 64 + until
    assert record.refused(until + 0.1, until + 10) == 0.0
    assert record.goodput(until + 5, until + 10) >= 0.5 * 128 / 0.02


def test_ceilings_are_never_exceeded() -> None:
    rate = simulate(Server(latency=0.001), 10, Ceilings(50, 10, 128, adaptive=True))
    crowd = simulate(Server(latency=0.02), 10, Ceilings(None, 1, 5, adaptive=True))

    assert len(rate.answers) <= 50 * 10 + 10
    assert max(level for *_, level in crowd.answers) <= 5


def test_a_pace_that_is_not_adaptive_goes_as_fast_as_it_may() -> None:
    record = simulate(Server(knee=4, latency=0.02), 5, Ceilings(None, 1, 16, adaptive=False))

    assert record.level(1, 5) == pytest.approx(16, abs=0.1)


@pytest.mark.parametrize(
    ("reply", "sign"),
    [
        (Answer(200), Sign.ACCEPTED),
        (Answer(409), Sign.ACCEPTED),
        (Answer(429), Sign.REFUSED),
        (Answer(503), Sign.REFUSED),
        (Answer(504), Sign.LATE),
        (Answer(500), Sign.NOTHING),
        (NoAnswer(Silence.TIMEOUT), Sign.LATE),
        (NoAnswer(Silence.RESET), Sign.NOTHING),
    ],
)
def test_what_a_reply_says_about_load(reply: Reply, sign: Sign) -> None:
    assert sign_of(reply) is sign
