"""The pace of one cluster, over simulated servers in virtual time.

Covered: goodput and refusals at a token bucket of unknown rate, a limit of requests in flight, a
latency that grows beyond a knee, capacity that goes and comes back, one lucky sample, a server that
refuses everything for a while, ceilings, what replies say. Left out: waiting and the line
(tests/engine/test_pacer.py), real sockets (bench/pace.py).
"""

import random
from collections.abc import Callable

import pytest

from fleetpatch.model.answer import Answer, NoAnswer, Reply, Silence
from fleetpatch.rules.pacing.governor import Ceilings
from fleetpatch.rules.pacing.reply_signal import ReplySignal, signal_of
from tests.rules.simulated import DEFAULT, Server, simulate


@pytest.mark.parametrize("rate", [100, 500, 1000])
def test_nine_tenths_of_an_unknown_rate_are_used_and_few_are_refused(rate: float) -> None:
    record = simulate(Server(rate=rate), 25)

    assert record.goodput(5, 25) >= 0.9 * rate
    assert record.refused(5, 25) <= 0.05


def test_a_limit_of_requests_in_flight_is_found_and_kept_to() -> None:
    record = simulate(Server(wall=8, latency=0.02), 20)

    assert record.goodput(5, 20) >= 0.75 * 8 / 0.02
    assert record.refused(5, 20) <= 0.05


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("wall", "latency", "travel"), [(8, 0.005, 0.003), (32, 0.02, 0.005)])
def test_a_limit_in_flight_is_found_though_each_refusal_costs_a_pause(
    wall: int, latency: float, travel: float, seed: int
) -> None:
    def server() -> Server:
        luck = random.Random(seed)
        return Server(wall=wall, latency=latency, travel=travel, retry_after=1.0, luck=luck)

    best = simulate(server(), 10, Ceilings(None, 1, wall, adaptive=False)).goodput(2, 10)
    record = simulate(server(), 25)

    assert record.goodput(5, 25) >= 0.8 * best
    assert record.refused(5, 25) <= 0.01


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rate", [100, 1000])
def test_an_unknown_rate_is_found_though_each_refusal_costs_a_pause(rate: float, seed: int) -> None:
    record = simulate(Server(rate=rate, retry_after=1.0, luck=random.Random(seed)), 25)

    assert record.goodput(5, 25) >= 0.8 * rate
    assert record.refused(5, 25) <= 0.01


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


@pytest.mark.parametrize("begins", [0.005, 0.03, 0.1, 2.0])
def test_a_storm_leaves_no_trace_whenever_it_begins(begins: float) -> None:
    def refuse(server: Server) -> None:
        server.refuses_until = begins + 3

    record = simulate(Server(latency=0.05, retry_after=1.0), begins + 13, DEFAULT, (begins, refuse))

    assert record.refused(begins + 3.1, begins + 13) == 0.0
    assert record.goodput(begins + 8, begins + 13) >= 0.5 * 128 / 0.05


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
        (Answer(200), ReplySignal.ACCEPTED),
        (Answer(409), ReplySignal.ACCEPTED),
        (Answer(429), ReplySignal.REFUSED),
        (Answer(503), ReplySignal.REFUSED),
        (Answer(504), ReplySignal.LATE),
        (Answer(500), ReplySignal.NOTHING),
        (NoAnswer(Silence.TIMEOUT), ReplySignal.LATE),
        (NoAnswer(Silence.RESET), ReplySignal.NOTHING),
    ],
)
def test_what_a_reply_says_about_load(reply: Reply, sign: ReplySignal) -> None:
    assert signal_of(reply) is sign
