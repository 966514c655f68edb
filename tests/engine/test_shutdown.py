"""Shutdown in virtual time: what a stopped lane still does, and how long it may take.

Covered: waits cut short, what is in flight awaited, what is in doubt read, the bound on all of it.
Left out: signals of real processes (tests/e2e).
"""

import anyio
import pytest

from fleetpatch.engine import pipeline
from fleetpatch.engine.lane import Lane
from fleetpatch.engine.pacer import Pacer
from fleetpatch.engine.policy import PatchContext, PatchPolicy
from fleetpatch.engine.retry import ClusterPatcher
from fleetpatch.engine.shutdown import DRAIN, Shutdown
from fleetpatch.engine.writer import JournalWriter, OutcomeWriter
from fleetpatch.model.answer import NoAnswer, Reply, Silence
from fleetpatch.model.change import MetadataChange
from fleetpatch.model.pace import Ceilings
from tests.engine.fleets import INTERRUPTED
from tests.fakes import (
    FakeCluster,
    FakeEvents,
    FakeJournal,
    FakeProgress,
    ObjectStore,
    VirtualClock,
    always,
    failure,
    seen_job,
    target_of,
)
from tests.fakes.cluster import Call

CHANGE = MetadataChange(labels={"team": "red"})


class Stopped:
    """A lane over `count` targets that is stopped after a while."""

    def __init__(self, count: int, *, rate: float | None = None, latency: float = 0.01) -> None:
        self.clock = VirtualClock()
        objects = [
            seen_job({"team": "blue"}, name=f"job-{number}", uid=f"uid-{number}")
            for number in range(count)
        ]
        self.store = ObjectStore(objects)
        self.journal = FakeJournal(
            pending=[
                target_of(CHANGE, seen, number=number) for number, seen in enumerate(objects, 1)
            ]
        )
        self.cluster = FakeCluster(self.clock, self.store.patch, self.store.read, latency=latency)
        patcher = ClusterPatcher(
            PatchContext(
                self.cluster,
                PatchPolicy(CHANGE, lambda _target, _seen: True),
                Pacer(self.clock, Ceilings(rate)),
                Shutdown(self.clock),
                self.clock,
            ),
            lambda: 1.0,
        )
        self.writer = JournalWriter(self.journal)
        self.lane = Lane(patcher, self.writer, concurrency=4)

    async def run(self, *, stop_at: float) -> float:
        """Run, stop, and return how long the lane took to end."""
        writer = OutcomeWriter(self.writer, self.clock, FakeEvents(), FakeProgress())

        async def stop() -> None:
            await self.clock.sleep(stop_at)
            self.lane.stop(INTERRUPTED)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stop)
            await pipeline.run([self.lane], writer)
        return self.clock.monotonic() - stop_at


async def test_a_worker_in_a_long_backoff_leaves_its_target_in_doubt_at_once() -> None:
    run = Stopped(10)
    run.cluster.patches = always(failure(429, retry_after="30"))

    assert await run.run(stop_at=1.0) < 0.2

    assert run.lane.causes == {INTERRUPTED}
    assert len(run.journal.doubtful) == len(run.cluster.patched) > 0
    assert len(run.journal.pending) == 10 - len(run.cluster.patched)
    assert "GET" not in run.cluster.verbs, "the server asked for a pause"


async def test_a_target_without_a_requested_pause_is_read_and_released() -> None:
    run = Stopped(10)
    run.cluster.patches = always(failure(429))

    assert await run.run(stop_at=1.0) < 0.5

    assert run.journal.doubtful == set()
    assert len(run.journal.pending) == 10


async def test_a_worker_that_waits_for_its_turn_gives_its_target_back_at_once() -> None:
    run = Stopped(10, rate=0.1)

    assert await run.run(stop_at=1.0) < 0.2

    assert len(run.cluster.patched) == len(run.journal.settled) == 1
    assert len(run.journal.pending) == 9


async def test_requests_in_flight_are_awaited_and_recorded() -> None:
    run = Stopped(100, latency=1.0)

    assert await run.run(stop_at=2.5) < 1.0

    assert len(run.cluster.patched) == len(run.journal.settled) == 12
    assert run.journal.doubtful == set()


async def test_targets_that_may_have_been_patched_are_read_before_the_lane_ends() -> None:
    run = Stopped(4)

    def lost(call: Call) -> Reply:
        run.store.patch(call)
        return NoAnswer(Silence.RESET)

    run.cluster.patches = lost
    run.lane.on_retried = lambda _record: run.lane.stop(INTERRUPTED)

    await run.run(stop_at=60.0)

    assert len(run.journal.settled) == 4
    assert run.journal.doubtful == set()


@pytest.mark.parametrize("withheld", [1, 4])
async def test_a_target_whose_answer_outlasts_the_drain_time_stays_in_doubt(withheld: int) -> None:
    run = Stopped(withheld, latency=3600.0)

    assert await run.run(stop_at=1.0) == pytest.approx(DRAIN, abs=0.2)

    assert len(run.journal.doubtful) == withheld
    assert run.journal.settled == {}
