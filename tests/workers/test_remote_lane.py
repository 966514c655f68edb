"""The coordinator's part of one shard, where its worker changes at an awkward moment.

Covered: a claim that ends after the shard has another worker, targets in doubt while outcomes are
on their way to the run file. Left out: connections and send deadlines (test_coordinator.py).
"""

import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
import msgspec
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from fleetpatch.campaign.running.lanes import Listeners
from fleetpatch.engine.attempt import RetryRecord
from fleetpatch.engine.writer import Ended
from fleetpatch.journal.rows import TargetRow
from fleetpatch.model.outcome import Reason, Settlement
from fleetpatch.model.pace import Ceilings
from fleetpatch.model.run import ClusterInfo
from fleetpatch.model.target import TargetId
from fleetpatch.rules.answers.verdicts import Verdict
from fleetpatch.workers.messages import (
    Claim,
    FoundCluster,
    InDoubt,
    ShardReport,
)
from fleetpatch.workers.remote_lane import RemoteLane, RemoteRunCluster
from fleetpatch.workers.wire import wire_retry
from tests.fakes import VirtualClock, seen_job, target_with
from tests.workers.memory_channel import IGNORING, PACE, ids
from tests.workers.row_journal import FakeRows, row_of

TARGET = row_of(target_with(seen_job(), {}, number=1))


class SlowJournal:
    """A run file with one target, whose calls end when the test lets them."""

    resources = FakeRows.resources

    def __init__(self) -> None:
        self.asked, self.let = anyio.Event(), anyio.Event()
        self.released: list[int] = []

    async def claim(
        self,
        cluster: str,  # noqa: ARG002 - the port has it
        **_page: int | None,
    ) -> Sequence[TargetRow]:
        self.asked.set()
        await self.let.wait()
        return [TARGET]

    async def release(self, _cluster: str, ids: Sequence[int]) -> None:
        self.released += ids

    async def in_doubt(
        self,
        cluster: str,  # noqa: ARG002 - the port has it
        **_page: int,
    ) -> Sequence[TargetRow]:
        return []


class DoubtfulJournal(SlowJournal):
    """A run file whose target is in doubt."""

    def __init__(self) -> None:
        super().__init__()
        self.done = anyio.Event()

    async def in_doubt(self, cluster: str, **_page: int) -> Sequence[TargetRow]:
        found = await self.claim(cluster)
        self.done.set()
        return found


def lane_with(journal: SlowJournal, listeners: Listeners = IGNORING) -> RemoteLane:
    return RemoteLane(
        RemoteRunCluster(ClusterInfo("prod-a", "https://a"), FoundCluster("prod-a")),
        journal,
        listeners,
        Ceilings(None, 1, 4, adaptive=True),
        VirtualClock(),
        1,
        lambda _lane: None,
    )


@asynccontextmanager
async def running(lane: RemoteLane) -> AsyncIterator[TaskGroup]:
    """Run a lane whose first worker has begun, until the block and all its tasks end."""
    outbox, inbox = anyio.create_memory_object_stream[Ended](math.inf)
    with inbox:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lane.run, outbox)
            await checkpoint()
            lane.begin(1)
            yield tasks
            lane.end()


async def test_a_claim_that_ends_after_the_shard_was_given_to_another_worker_is_released() -> None:
    journal = SlowJournal()
    lane = lane_with(journal)
    refused: list[bool] = []

    async def claim() -> None:
        refused.append(
            (await lane.answer(Claim(call=1, epoch=1, limit=10, last=None, after=0))).refused
        )

    async with running(lane) as tasks:
        tasks.start_soon(claim)
        await journal.asked.wait()
        lane.begin(2)
        journal.let.set()
        # Served after the claim, so that the next worker does not miss what it had claimed.
        assert ids(await lane.answer(InDoubt(call=2, epoch=2, after=0, limit=10))) == []

    assert refused == [True]
    assert journal.released == [1]


async def test_only_retries_of_targets_that_the_worker_has_are_counted() -> None:
    journal = SlowJournal()
    journal.let.set()
    retried: list[RetryRecord] = []
    lane = lane_with(journal, msgspec.structs.replace(IGNORING, retried=retried.append))
    target = target_with(seen_job(), {}, number=1)
    record = RetryRecord(target, 1, 503, Verdict.RETRY, "busy", 1.5)
    stranger = RetryRecord(
        msgspec.structs.replace(target, id=TargetId(2)), 1, 503, Verdict.RETRY, "", 0
    )

    async with running(lane):
        await lane.answer(Claim(call=1, epoch=1, limit=10, last=None, after=0))
        retries = [wire_retry(one) for one in (stranger, record)]
        await lane.take(ShardReport(1, 1, 0, PACE, retries=retries))

    assert retried == [record]


async def test_a_target_that_ends_while_those_in_doubt_are_read_does_not_end_twice() -> None:
    journal = DoubtfulJournal()
    ended: list[int] = []
    listeners = msgspec.structs.replace(
        IGNORING, reported=lambda found: ended.extend(one.target for _, one in found)
    )
    lane = lane_with(journal, listeners)
    settled = Settlement(TargetId(1), Reason.PATCHED, 200, 1, 0, 1.0, "11", "")
    answered: list[Sequence[int]] = []

    async def read() -> None:
        answered.append(ids(await lane.answer(InDoubt(call=2, epoch=1, after=0, limit=10))))

    async with running(lane) as tasks:
        journal.let.set()
        await read()
        # The call that has an answer already arrives again on another connection.
        journal.asked, journal.let = anyio.Event(), anyio.Event()
        tasks.start_soon(read)
        await journal.asked.wait()
        await lane.take(ShardReport(1, 1, 0, PACE, [settled]))
        journal.let.set()
        await journal.done.wait()
        await checkpoint()
        await lane.take(ShardReport(1, 1, 0, PACE, [settled]))

    assert ended == [1]
    assert answered == [[1], []]


async def test_targets_in_doubt_are_read_only_when_reported_outcomes_are_recorded() -> None:
    journal = SlowJournal()
    journal.let.set()
    lane = lane_with(journal)
    answered: list[bool] = []

    async def read() -> None:
        answered.append((await lane.answer(InDoubt(call=2, epoch=2, after=0, limit=10))).refused)

    async with running(lane) as tasks:
        await lane.answer(Claim(call=1, epoch=1, limit=10, last=None, after=0))
        settled = Settlement(TargetId(1), Reason.PATCHED, 200, 1, 0, 1.0, "11", "")
        await lane.take(ShardReport(1, 1, 0, PACE, [settled]))
        lane.begin(2)
        tasks.start_soon(read)
        for _ in range(5):
            await checkpoint()
        assert answered == []
        lane.recorded(1)
        for _ in range(5):
            await checkpoint()
        assert answered == [False]
