"""Lanes, workers, the writer of outcomes and the run file together, with many targets.

Covered: each target settled once at several concurrencies and on a server in trouble, claims before
sends, the bound on requests in flight, one pacer for all workers of a lane, stopping (what was not
sent is released, what was in flight is recorded), a lane that fails beside one that goes on,
targets left open, a run file that cannot be written, cancellation, group commits and log lines.
Left out: what happens to one target (test_patcher.py), a real run file (tests/journal).
"""

import random
from collections.abc import Callable
from functools import partial

import anyio
import pytest

from fleetpatch.engine import writer
from fleetpatch.engine.lane import Lane
from fleetpatch.engine.writer import COMMIT_INTERVAL, JournalWriter
from fleetpatch.errors import RunFileError
from fleetpatch.model.answer import NoAnswer, Reply, Silence
from fleetpatch.model.outcome import Outcome, Reason
from fleetpatch.model.target import Target
from tests.engine.fleets import INTERRUPTED, Fleet
from tests.fakes import (
    Call,
    FakeCluster,
    FakeJournal,
    always,
    failure,
)


def before_each(cluster: FakeCluster, look: Callable[[Call], None]) -> None:
    """Let `look` see each PATCH as the server takes it."""
    answer = cluster.patches

    def patches(call: Call) -> Reply:
        look(call)
        return answer(call)

    cluster.patches = patches


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


def fail_at(number: int, error: Exception) -> Callable[[], None]:
    calls = iter(range(1, 10**6))

    def step() -> None:
        if next(calls) >= number:
            raise error

    return step


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


# The writer of outcomes


async def test_outcomes_gather_between_two_commits() -> None:
    fleet = Fleet()
    fleet.add(320, concurrency=32, rate=1000.0)

    await fleet.run()

    assert sum(fleet.journal.groups) == 320
    assert len(fleet.journal.groups) <= fleet.clock.monotonic() / COMMIT_INTERVAL + 1
    assert max(fleet.journal.groups) > 1


async def test_the_last_outcomes_are_recorded_as_soon_as_the_last_worker_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writer, "COMMIT_INTERVAL", 60.0)
    fleet = Fleet()
    fleet.add(20)

    await fleet.run()

    assert fleet.clock.monotonic() < 1.0
    assert sum(fleet.journal.groups) == 20


async def test_a_line_is_logged_only_after_its_outcome_is_on_record() -> None:
    fleet = Fleet()
    fleet.add(100)
    uids = {target.uid: target.id for target in fleet.journal.pending}
    too_early: list[object] = []

    def look(line: dict[str, object]) -> None:
        if uids[str(line["uid"])] not in fleet.journal.settled:
            too_early.append(line)

    fleet.events.on_event = look

    await fleet.run()

    assert too_early == []
    assert len(fleet.events.lines) == fleet.events.flushed == 100


async def test_a_log_line_has_all_fields_of_the_target() -> None:
    fleet = Fleet()
    fleet.add(1)

    await fleet.run()

    assert fleet.events.lines == [
        {
            "level": "info",
            "event": "target.applied",
            "cluster": "prod-a",
            "kind": "jobs.batch",
            "namespace": "team-a",
            "name": "prod-a-0",
            "uid": "prod-a-uid-0",
            "reason": Reason.PATCHED,
            "http_status": 200,
            "attempts": 1,
            "elapsed_ms": 100.0,
        }
    ]


async def test_a_failure_is_a_warning_and_carries_its_detail() -> None:
    fleet = Fleet()
    fleet.add(1).patches = always(failure(403, "Forbidden", "you may not"))

    await fleet.run()

    (line,) = fleet.events.lines
    assert (line["level"], line["event"]) == ("warning", "target.failed")
    assert line["detail"] == "403 you may not"


async def test_writes_to_the_journal_do_not_overlap() -> None:
    journal = FakeJournal()
    writer = JournalWriter(journal)

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(partial(writer.claim, "prod-a", 1))

    assert journal.calls == [("claim", ())] * 20


async def test_the_journal_can_be_written_after_a_failure() -> None:
    journal = FakeJournal(on_claim=fail_at(1, RunFileError("damaged")))
    writer = JournalWriter(journal)

    for _ in range(2):
        with pytest.raises(RunFileError, match="damaged"):
            await writer.claim("prod-a", 1)
