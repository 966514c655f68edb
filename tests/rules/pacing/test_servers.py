"""The pace against simulated servers, in virtual time.

Covered: a token bucket, a limit in flight, a knee, fair queues, stray refusals, outages, others,
capacity that goes and comes back; ceilings over any of them; little work. Left out: exact constants
(test_refusals.py, test_hill_climb.py), more seeds (bench.pacing_figures), real sockets
(bench.pace).
"""

import random
import statistics
from collections.abc import Callable
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetpatch.model.pace import Ceilings, PaceCause
from fleetpatch.rules.answers.reply_signal import ReplySignal
from fleetpatch.rules.pacing.governor import Governor
from tests.rules.pacing.simulated_servers import FairQueue, Server
from tests.rules.pacing.simulated_time import World
from tests.rules.pacing.simulator import DEFAULT, Client, Gate, Open, Record, governed, simulate

THIRTY_TWO = Ceilings(None, 1, 32, adaptive=True)


def server(seed: int = 1, **what: Any) -> Server:
    return Server(World(), random.Random(seed), **what)


def put(there: Server, name: str, value: Any) -> Callable[[], None]:
    return lambda: setattr(there, name, value)


def stray(share: float, retry_after: float | None, seed: int, gate: Gate) -> Record:
    there = server(seed, stray=share, retry_after=retry_after, latency=0.05)
    client = Client(there.world, there, gate, 32, inf, seed)
    there.world.run(6.0)
    return client.record


@pytest.mark.parametrize("retry_after", [None, 1.0])
@pytest.mark.parametrize("share", [0.005, 0.01, 0.02, 0.05, 0.1])
def test_stray_refusals_cost_little_more_than_the_targets_that_they_hit(
    share: float, retry_after: float | None
) -> None:
    ratios = [
        stray(share, retry_after, seed, governed(THIRTY_TWO)).goodput(0, 6)
        / stray(share, retry_after, seed + 100, Open()).goodput(0, 6)
        for seed in range(10)
    ]

    assert statistics.mean(ratios) >= 0.9


@pytest.mark.parametrize("retry_after", [None, 1.0])
@pytest.mark.parametrize("rate", [100, 500, 1000])
def test_nine_tenths_of_an_unknown_rate_are_used_and_few_are_refused(
    rate: int, retry_after: float | None
) -> None:
    there = server(rate=rate, burst=max(10, rate // 10), latency=0.002, retry_after=retry_after)
    record = simulate(there, 20)

    assert record.goodput(5, 20) >= 0.95 * rate
    # At 100 a second the start is a large part: 16 requests at once meet a burst of 10.
    assert record.refused() <= (0.065 if rate == 100 else 0.05)
    assert record.refused(5, 20) <= 0.02


@pytest.mark.parametrize("retry_after", [None, 1.0])
@pytest.mark.parametrize(("wall", "latency", "travel"), [(8, 0.02, 0.0), (32, 0.02, 0.005)])
def test_a_limit_of_requests_in_flight_is_found_and_kept_to(
    wall: int, latency: float, travel: float, retry_after: float | None
) -> None:
    def one() -> Server:
        return server(wall=wall, latency=latency, travel=travel, retry_after=retry_after)

    best = simulate(one(), 8, Ceilings(None, 1, wall, adaptive=False)).goodput(2, 8)
    record = simulate(one(), 20)

    assert record.goodput(5, 20) >= 0.85 * best
    assert record.refused(5, 20) <= 0.02


@pytest.mark.parametrize("wall", [4, 8, 16, 32])
def test_a_limit_of_requests_in_flight_is_known_after_a_second_excess(wall: int) -> None:
    shares = list[float]()
    for seed in range(6):
        record = simulate(server(seed, wall=wall, retry_after=1.0), 20)
        shares.append(record.goodput(6, 20) * 0.02 / wall)

    assert statistics.mean(shares) >= 0.96


def test_no_queue_is_built_up_beyond_the_knee() -> None:
    record = simulate(server(knee=16, latency=0.05), 20)

    assert record.goodput(5, 20) >= 0.9 * 16 / 0.05
    assert record.latency(0.95, 5, 20) <= 1.5 * 0.05 * 1.2


def test_more_goes_in_flight_where_that_pays_though_latency_grows() -> None:
    record = simulate(server(contention=0.8, latency=0.003), 10)
    best = max(
        simulate(
            server(contention=0.8, latency=0.003), 4, Ceilings(None, 1, level, adaptive=False)
        ).goodput(1, 4)
        for level in (8, 16, 32, 64)
    )

    assert record.goodput(0, 10) >= 0.95 * best


def test_what_others_take_away_is_left_to_them_and_taken_back() -> None:
    left, taken_back = list[float](), list[float]()
    for seed in range(7):
        there = server(seed, knee=32, latency=0.05)
        changes = (10, put(there, "knee", 16)), (20, put(there, "knee", 32))
        record = simulate(there, 35, DEFAULT, *changes)
        left.append(record.in_flight(13, 20) / record.in_flight(7, 10))
        taken_back.append(record.goodput(30, 35) / record.goodput(7, 10))

    assert statistics.median(left) <= 0.7
    assert min(taken_back) >= 0.9


def test_a_rate_that_falls_and_rises_is_followed() -> None:
    there = server(rate=400, burst=40, latency=0.005)
    changes = (8, put(there, "rate", 150)), (16, put(there, "rate", 300))
    record = simulate(there, 34, DEFAULT, *changes)

    assert record.goodput(10, 16) >= 0.9 * 150
    assert record.refused(8, 16) <= 0.05
    assert record.goodput(32, 34) >= 0.9 * 300


@pytest.mark.parametrize("retry_after", [None, 1.0])
@pytest.mark.parametrize("begins", [0.005, 0.03, 0.1, 2.0])
def test_an_outage_leaves_no_trace_whenever_it_begins(
    begins: float, retry_after: float | None
) -> None:
    there = server(latency=0.05, retry_after=retry_after)
    changes = (begins, put(there, "refuses", True)), (begins + 3, put(there, "refuses", False))
    record = simulate(there, begins + 9, DEFAULT, *changes)

    during = sum(one.signal is ReplySignal.REFUSED for one in record.answers if one.at < begins + 3)
    assert during <= 3 * 128
    assert record.refused(begins + 3.1, begins + 9) == 0.0
    assert record.goodput(begins + 7, begins + 9) >= 0.8 * 128 / 0.05


def test_a_storm_is_probed_once_a_second() -> None:
    there = server(refuses=True, retry_after=1.0)
    record = simulate(there, 15, DEFAULT, (10, put(there, "refuses", False)), workers=64)

    assert sum(one.at < 10 for one in record.answers) <= 64 + 10
    assert record.goodput(12, 15) >= 0.9 * 64 / 0.02


def test_a_busy_neighbour_keeps_its_share_of_fair_queues() -> None:
    refused = list[float]()
    for seed in range(8):
        queue = FairQueue(World(), random.Random(seed))
        queue.world.after(0.0, lambda queue=queue: queue.neighbour(200.0))  # type: ignore[misc]
        record = simulate(queue, 10)
        assert record.goodput(2, 10) >= 0.85 * 300
        refused.append(record.refused())

    # Slow start tries twice as many as the queue holds.
    assert statistics.mean(refused) <= 0.03


def test_a_share_of_refusals_that_is_tolerated_does_not_keep_the_climb_low() -> None:
    gates = list[Governor]()
    for seed in range(3):
        gates.append(governed(DEFAULT, seed))
        simulate(server(seed, stray=0.45, latency=0.05), 25, gate=gates[-1])

    assert statistics.mean(gate.pace(25.0).concurrency for gate in gates) >= 45


def test_a_load_of_others_that_no_pace_of_ours_lowers_does_not_stop_us() -> None:
    there = server(latency=0.02)

    def others(share: float) -> None:
        there.stray = share

    record = simulate(there, 12, THIRTY_TWO, (3, lambda: others(0.3)), workers=32)

    assert record.goodput(6, 12) > 0.5 * simulate(
        server(stray=0.3), 6, gate=Open(), workers=32
    ).goodput(0, 6)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    rate=st.none() | st.floats(20.0, 500.0),
    concurrency=st.integers(1, 100),
    adaptive=st.booleans(),
    what=st.fixed_dictionaries(
        {},
        optional={
            "rate": st.floats(5.0, 2000.0),
            "wall": st.integers(1, 64),
            "knee": st.floats(1.0, 64.0),
            "stray": st.floats(0.0, 1.0),
            "retry_after": st.sampled_from([1.0, 2.0]),
            "latency": st.floats(0.001, 0.5),
        },
    ),
)
def test_ceilings_are_never_exceeded_and_work_goes_on_whatever_the_server_does(
    seed: int, rate: float | None, concurrency: int, adaptive: bool, what: dict[str, Any]
) -> None:
    there = server(seed, **what)
    record = simulate(there, 4.0, Ceilings(rate, 5, concurrency, adaptive), workers=100)

    assert record.answers
    assert max(one.in_flight for one in record.answers) <= concurrency
    sent = sorted(one.sent_at for one in record.answers)
    if rate is not None:
        for first in range(0, len(sent), 7):
            for last in range(first, len(sent), 11):
                span = sent[last] - sent[first]
                assert last - first + 1 <= 5 + rate * span + 1e-6 * rate


@pytest.mark.parametrize(
    ("targets", "in_flight", "cause"),
    [(600, 32, PaceCause.WORK), (inf, 128, PaceCause.CONCURRENCY)],
)
def test_the_cause_of_few_in_flight_for_little_work_is_the_work(
    targets: float, in_flight: int, cause: PaceCause
) -> None:
    there, one = server(latency=0.02), governed()
    Client(there.world, there, one, 128, targets)

    there.world.run(0.25)

    pace = one.pace(0.25)
    assert (pace.concurrency, pace.cause) == (in_flight, cause)
