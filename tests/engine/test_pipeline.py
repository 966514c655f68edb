"""Lanes, workers, the writer of outcomes and the run file together, with many targets.

Covered: each target settled once at several concurrencies and on a server in trouble, claims before
sends, the bound on requests in flight, an adaptive pace for few and for many targets, one pacer for
all workers of a lane, lanes side by side.
Left out: what happens to one target (test_patcher.py), lanes that end early (test_pipeline_ends),
what is committed and logged (test_outcome_writer).
"""

import random

import anyio
import pytest

from fleetpatch.model.answer import NoAnswer, Reply, Silence
from fleetpatch.model.outcome import Outcome
from fleetpatch.model.target import Target
from tests.engine.fleets import Fleet
from tests.engine.hooks import before_each
from tests.fakes import Call, FakeCluster, failure


@pytest.mark.parametrize("concurrency", [1, 7, 32])
@pytest.mark.parametrize("count", [0, 1, 300])
async def test_every_target_is_settled_exactly_once(count: int, concurrency: int) -> None:
    fleet = Fleet()
    cluster = fleet.add(count, concurrency=concurrency)

    causes = await fleet.run()

    assert causes == ()
    assert len(fleet.journal.settled) == fleet.settled(Outcome.APPLIED) == count
    assert fleet.journal.pending == []
    assert len(cluster.calls) == len({call.target.id for call in cluster.calls}) == count
    assert fleet.progress.outcomes == ({Outcome.APPLIED: count} if count else {})


@pytest.mark.parametrize("concurrency", [1, 7, 32])
async def test_requests_in_flight_reach_the_concurrency_and_never_exceed_it(
    concurrency: int,
) -> None:
    fleet = Fleet()
    cluster = fleet.add(300, concurrency=concurrency)

    await fleet.run()

    assert cluster.most_in_flight == concurrency


def adaptive(count: int, latency: float = 0.02) -> tuple[Fleet, FakeCluster]:
    """A fleet without limits, whose pace is adaptive; 0.02 s with 32 in flight are 1,600/s."""
    fleet = Fleet()
    cluster = fleet.add(count, concurrency=128, adaptive=True)
    cluster.latency = latency
    return fleet, cluster


@pytest.mark.parametrize(
    ("count", "latency", "is_tried"),
    # With 32 in flight they take 0.6, 0.3 (as many as one claim has), 1.6 and 3 seconds.
    [(1000, 0.02, False), (512, 0.02, False), (500, 0.1, True), (5000, 0.02, True)],
)
async def test_more_is_tried_in_flight_only_for_more_than_a_second_of_work(
    count: int, latency: float, *, is_tried: bool
) -> None:
    fleet, cluster = adaptive(count, latency)

    await fleet.run()

    assert (cluster.most_in_flight > 32) is is_tried


async def test_more_is_tried_in_flight_in_a_short_wave_since_others_may_follow() -> None:
    fleet, cluster = adaptive(1000)
    fleet.lanes[0].last = 1000

    await fleet.run()

    assert cluster.most_in_flight > 32


async def test_more_is_tried_in_flight_where_targets_in_doubt_are_left_too() -> None:
    fleet, cluster = adaptive(1000)
    fleet.journal.claim("prod-a", limit=600)

    await fleet.run()

    assert cluster.most_in_flight > 32


async def test_nothing_is_sent_that_is_not_claimed() -> None:
    fleet = Fleet()
    cluster = fleet.add(300)
    unclaimed: list[Target] = []

    def look(call: Call) -> None:
        if call.target.id not in fleet.journal.claimed:
            unclaimed.append(call.target)

    before_each(cluster, look)

    await fleet.run()

    assert unclaimed == []


async def test_claims_stay_ahead_by_two_chunks_at_most() -> None:
    fleet = Fleet()
    cluster = fleet.add(1000, concurrency=4)
    ahead: list[int] = []
    before_each(
        cluster, lambda _call: ahead.append(len(fleet.journal.claimed) - len(cluster.calls))
    )

    await fleet.run()

    assert max(ahead) <= 2 * 64


async def test_a_lane_s_workers_share_its_pacer() -> None:
    fleet = Fleet()
    cluster = fleet.add(50, concurrency=32, rate=10.0)

    await fleet.run()

    times = [call.at for call in cluster.calls]
    assert times == pytest.approx([number / 10 for number in range(50)])


async def test_a_lane_that_is_widened_while_it_runs_has_more_in_flight() -> None:
    fleet = Fleet()
    cluster = fleet.add(100, concurrency=2)
    (lane,) = fleet.lanes

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fleet.run)
        await fleet.clock.sleep(1.0)
        before = cluster.most_in_flight
        lane.widen(6)
    lane.widen(3)

    assert (before, cluster.most_in_flight, lane.concurrency) == (2, 6, 6)
    assert fleet.settled(Outcome.APPLIED) == 100


async def test_lanes_run_side_by_side() -> None:
    fleet = Fleet()
    slow, fast = fleet.add(10, name="slow", concurrency=1), fleet.add(10, name="fast")
    slow.latency = 100.0

    await fleet.run()

    assert len(fleet.journal.settled) == 20
    assert max(call.at for call in fast.calls) < 1.0
    assert fleet.clock.monotonic() == pytest.approx(1000.0, abs=1.0)


@pytest.mark.parametrize("seed", range(5))
async def test_on_a_server_in_trouble_every_target_is_accounted_for_and_every_success_is_true(
    seed: int,
) -> None:
    fleet = Fleet()
    chances = random.Random(seed)
    cluster = fleet.add(300, concurrency=16)
    store, answer, read = fleet.stores[0], cluster.patches, cluster.reads

    def patches(call: Call) -> Reply:
        match chances.randrange(8):
            case 0:
                return failure(429, "TooManyRequests", retry_after="1")
            case 1:
                return NoAnswer(Silence.RESET)
            case 2:
                answer(call)
                return failure(504, "Timeout")
            case 3:
                store.write(call.target.name, other="x")
            case 4 if chances.random() < 0.2:
                store.write(call.target.name, team="green")
        return answer(call)

    def reads(call: Call) -> Reply:
        return failure(503) if chances.random() < 0.3 else read(call)

    cluster.patches, cluster.reads = patches, reads

    causes = await fleet.run()

    assert set(fleet.journal.settled) | fleet.journal.doubtful == set(range(1, 301))
    assert len(causes) == len(fleet.journal.doubtful)
    for number, end in fleet.journal.settled.items():
        seen = store.find(f"prod-a-{number - 1}")
        assert seen is not None
        assert (end.outcome is Outcome.APPLIED) == (seen.labels["team"] == "red")
