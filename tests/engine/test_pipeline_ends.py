"""How lanes end before all of their targets are settled.

Covered: stopping (what was not sent is released, what was in flight is recorded), a lane that fails
beside one that goes on, targets left open, a run file that cannot be written, and cancellation.
Left out: lanes that settle all (test_pipeline), a real run file (tests/journal).
"""

import anyio
import pytest

from fleetpatch.engine.lane import Lane
from fleetpatch.errors import RunFileError
from fleetpatch.model.answer import NoAnswer, Reply, Silence
from fleetpatch.model.outcome import Outcome
from tests.engine.fleets import INTERRUPTED, Fleet
from tests.engine.hooks import before_each, fail_at
from tests.fakes import Call, always, failure

# Stopping


async def test_a_stopped_lane_records_what_is_in_flight_and_releases_the_rest() -> None:
    fleet = Fleet()
    cluster = fleet.add(300, concurrency=8)

    def look(_call: Call) -> None:
        if len(cluster.calls) == 40:
            fleet.lanes[0].stop(INTERRUPTED)

    before_each(cluster, look)

    assert await fleet.run() == ("interrupted",)
    sent = {call.target.id for call in cluster.calls}
    assert 40 <= len(sent) < 40 + 8
    assert set(fleet.journal.settled) == sent
    assert len(fleet.journal.pending) == 300 - len(sent)
    assert fleet.journal.doubtful == set()


async def test_a_lane_stopped_before_it_starts_claims_and_sends_nothing() -> None:
    fleet = Fleet()
    cluster = fleet.add(10)
    fleet.lanes[0].stop(INTERRUPTED)

    await fleet.run()

    assert cluster.calls == []
    assert fleet.journal.calls == []


async def test_an_unreachable_cluster_stops_its_lane_and_the_other_continues() -> None:
    fleet = Fleet()
    dead, alive = fleet.add(200, name="dead"), fleet.add(200, name="alive")
    dead.patches = always(NoAnswer(Silence.UNREACHABLE, "connection refused"))

    causes = await fleet.run()

    assert causes == ("dead: the server cannot be reached: unreachable: connection refused",)
    assert len(alive.calls) == fleet.settled(Outcome.APPLIED) == 200
    assert dead.calls
    assert fleet.journal.doubtful == set(), "nothing was delivered, so all are pending again"
    assert len(fleet.journal.pending) == 200


async def test_refused_credentials_stop_the_lane_and_no_target_is_marked_failed() -> None:
    fleet = Fleet()
    cluster = fleet.add(200)
    cluster.patches = always(failure(401, "Unauthorized"))

    (cause,) = await fleet.run()

    assert "prod-a" in cause
    assert "credentials" in cause
    assert fleet.journal.settled == {}


async def test_a_target_that_stays_in_doubt_is_left_open_and_named_and_others_continue() -> None:
    fleet = Fleet()
    cluster = fleet.add(100)
    answer, number = cluster.patches, 50

    def patches(call: Call) -> Reply:
        return NoAnswer(Silence.RESET) if call.target.id == number else answer(call)

    cluster.patches, cluster.reads = patches, always(failure(500, "InternalError", "boom"))

    (cause,) = await fleet.run()

    assert "team-a/prod-a-49" in cause
    assert fleet.journal.doubtful == {number}
    assert fleet.settled(Outcome.APPLIED) == 99


async def test_targets_that_an_earlier_session_left_in_doubt_are_read_first_and_settled() -> None:
    fleet = Fleet()
    cluster = fleet.add(30)
    answer, read = cluster.patches, cluster.reads
    cluster.reads = always(failure(500, "InternalError", "boom"))
    applied = iter([True, False] * 15)

    def lost(call: Call) -> Reply:
        if next(applied):
            answer(call)
        return NoAnswer(Silence.RESET)

    cluster.patches = lost
    await fleet.run()
    assert len(fleet.journal.doubtful) == 30
    cluster.patches, cluster.reads = answer, read
    sent = len(cluster.patched)
    fleet.lanes = [Lane(lane.patcher, lane.writer, lane.concurrency) for lane in fleet.lanes]

    assert await fleet.run() == ()

    assert len(fleet.journal.settled) == fleet.settled(Outcome.APPLIED) == 30
    assert len(cluster.patched) - sent == 15


async def test_failed_targets_do_not_stop_the_others() -> None:
    fleet = Fleet()
    cluster = fleet.add(90)
    answer = cluster.patches

    def patches(call: Call) -> Reply:
        return failure(422, "Invalid", "no") if call.target.id % 3 == 0 else answer(call)

    cluster.patches = patches

    assert await fleet.run() == ()
    assert fleet.settled(Outcome.FAILED) == 30
    assert fleet.settled(Outcome.APPLIED) == 60


# A run file that cannot be written


async def test_a_failing_record_ends_the_run_with_that_very_error_and_nothing_more_is_sent() -> (
    None
):
    fleet = Fleet()
    cluster = fleet.add(2000, concurrency=8)
    disk = OSError("no space left on device")
    full = RunFileError("the disk is full")
    full.__cause__ = disk
    sent_before: list[int] = []

    def on_record() -> None:
        if len(fleet.journal.groups) == 3:
            sent_before.append(len(cluster.calls))
            raise full

    fleet.journal.on_record = on_record

    with pytest.raises(RunFileError) as raised:
        await fleet.run()

    assert raised.value is full
    assert raised.value.__cause__ is disk
    assert len(sent_before) == 1
    assert len(cluster.calls) <= sent_before[0] + 8
    claims = [position for position, (call, _) in enumerate(fleet.journal.calls) if call == "claim"]
    last_record = max(i for i, (call, _) in enumerate(fleet.journal.calls) if call == "record")
    assert all(position < last_record + 2 for position in claims)


async def test_a_failing_claim_ends_the_run_with_that_very_error() -> None:
    fleet = Fleet()
    fleet.add(2000)
    full = RunFileError("the disk is full")
    fleet.journal.on_claim = fail_at(3, full)

    with pytest.raises(RunFileError) as raised:
        await fleet.run()

    assert raised.value is full


async def test_a_failing_log_ends_the_run_with_its_error_and_the_record_is_intact() -> None:
    fleet = Fleet()
    fleet.add(2000)
    closed = BrokenPipeError("the log's pipe is closed")

    def on_event(_line: object) -> None:
        raise closed

    fleet.events.on_event = on_event

    with pytest.raises(BrokenPipeError) as raised:
        await fleet.run()

    assert raised.value is closed
    assert fleet.journal.groups != []


# Cancellation


@pytest.mark.parametrize("after", [0.0, 0.05, 0.25])
async def test_a_cancelled_run_ends_at_once_and_leaves_in_doubt_what_was_claimed(
    after: float,
) -> None:
    fleet = Fleet()
    cluster = fleet.add(300)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fleet.run)
        if after:
            await fleet.clock.sleep(after)
        tasks.cancel_scope.cancel()

    assert fleet.clock.monotonic() == after
    assert len(fleet.journal.settled) <= len(cluster.calls)
    assert {call.target.id for call in cluster.calls} <= fleet.journal.claimed
