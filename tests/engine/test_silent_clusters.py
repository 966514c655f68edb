"""A cluster that answers no request is given up, whatever the number of its targets.

Covered: silence from the start and from some moment on, timeouts, broken connections and gateway
errors, from one target to hundreds, beside a cluster that finishes; single targets that cannot be
read while their cluster answers. Left out: exit codes (tests/rules/running/test_run_state.py,
tests/e2e).
"""

import pytest

from fleetpatch.engine.lane import Lane
from fleetpatch.model.answer import Answer, NoAnswer, Reply, Silence
from fleetpatch.model.outcome import Outcome
from tests.engine.fleets import Fleet
from tests.fakes import Call, FakeCluster, always, failure

COUNTS = [1, 2, 5, 9, 10, 11, 19, 20, 21, 60, 300]
TROUBLES: list[Reply] = [
    NoAnswer(Silence.TIMEOUT),
    NoAnswer(Silence.RESET),
    Answer(504),
    Answer(502),
    Answer(500),
]


def lane_of(fleet: Fleet, count: int) -> tuple[Lane, FakeCluster]:
    """A lane beside that of a cluster that is well."""
    fleet.add(30, name="well")
    cluster = fleet.add(count, name="silent", concurrency=32)
    return fleet.lanes[1], cluster


@pytest.mark.parametrize("trouble", TROUBLES, ids=str)
@pytest.mark.parametrize("count", COUNTS)
async def test_a_cluster_that_never_answers_is_given_up(count: int, trouble: Reply) -> None:
    fleet = Fleet()
    lane, cluster = lane_of(fleet, count)
    cluster.patches = cluster.reads = always(trouble)
    cluster.latency = 30.0

    causes = await fleet.run()

    assert lane.given_up
    assert not lane.has_unreadable
    assert not fleet.lanes[0].given_up
    assert any(cause.startswith("silent: ") for cause in causes)
    assert fleet.settled(Outcome.APPLIED) == 30
    assert fleet.settled(Outcome.FAILED) == 0


@pytest.mark.parametrize("count", COUNTS)
async def test_a_cluster_that_stops_answering_is_given_up(count: int) -> None:
    fleet = Fleet()
    lane, cluster = lane_of(fleet, 40 + count)
    answer, read = cluster.patches, cluster.reads

    def well(call: Call) -> bool:
        return int(call.target.name.rpartition("-")[2]) < 40

    cluster.patches = lambda call: answer(call) if well(call) else NoAnswer(Silence.TIMEOUT)
    cluster.reads = lambda call: read(call) if well(call) else NoAnswer(Silence.TIMEOUT)

    await fleet.run()

    assert lane.given_up
    assert not lane.has_unreadable


async def test_single_targets_that_cannot_be_read_do_not_give_a_cluster_up() -> None:
    fleet = Fleet()
    lane, cluster = lane_of(fleet, 300)
    lane.concurrency = 1
    odd = {"silent-3", "silent-7"}
    answer, read = cluster.patches, cluster.reads
    cluster.patches = lambda call: Answer(504) if call.target.name in odd else answer(call)
    cluster.reads = lambda call: Answer(500) if call.target.name in odd else read(call)

    causes = await fleet.run()

    assert lane.has_unreadable
    assert not lane.given_up
    assert len(causes) == 2
    assert fleet.settled(Outcome.APPLIED) == 30 + 298


@pytest.mark.parametrize("count", [1, 5, 30])
async def test_targets_that_may_not_be_read_do_not_give_a_cluster_up(count: int) -> None:
    fleet = Fleet()
    lane, cluster = lane_of(fleet, count)
    cluster.patches, cluster.reads = always(Answer(504)), always(failure(403, "Forbidden", "no"))

    await fleet.run()

    assert lane.has_unreadable
    assert not lane.given_up


async def test_a_cluster_that_answers_again_is_not_given_up() -> None:
    fleet = Fleet()
    lane, cluster = lane_of(fleet, 8)
    lane.concurrency = 1
    answer, read = cluster.patches, cluster.reads

    def down() -> bool:
        return fleet.clock.monotonic() < 30.0

    cluster.patches = lambda call: NoAnswer(Silence.TIMEOUT) if down() else answer(call)
    cluster.reads = lambda call: NoAnswer(Silence.TIMEOUT) if down() else read(call)

    await fleet.run()

    assert not lane.given_up
