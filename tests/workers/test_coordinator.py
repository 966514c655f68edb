"""The coordinator's side of the protocol, with workers that a test scripts, in virtual time.

Covered: epochs, rights, silence and its end, lost and repeated messages, limits, no workers at all.
Left out: the worker's side (test_worker_side.py), real processes (test_lost_workers.py).
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from math import inf

import anyio

from fleetpatch.campaign.running.former_workers import RIGHT
from fleetpatch.campaign.running.lanes import Listeners
from fleetpatch.campaign.settings import Stop
from fleetpatch.engine import pipeline
from fleetpatch.engine.writer import Ended, JournalWriter, OutcomeWriter
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.outcome import Settlement
from fleetpatch.model.pace import Ceilings
from fleetpatch.model.run import ClusterInfo, RunInfo
from fleetpatch.model.target import Target
from fleetpatch.workers.channel import DisconnectedError
from fleetpatch.workers.coordinator import WITHOUT_WORKERS, Coordinator
from fleetpatch.workers.messages import (
    Checked,
    Epoch,
    FoundCluster,
    FromWorker,
    Hello,
    Orders,
    RoundEnd,
    Welcome,
    Work,
    decode_from_coordinator,
    encode,
)
from fleetpatch.workers.remote_lane import RemoteLane, RemoteRunCluster
from tests.fakes import FakeEvents, FakeJournal, FakeProgress, VirtualClock, seen_job, target_with
from tests.workers.memory_channel import ScriptedWorker, ids

TIMEOUT = 15.0
_CLUSTERS = [f"prod-{letter}" for letter in "abcde"]
DONE = RoundEnd()
INFO = RunInfo("run", "x", "d", "{}", "t", "by", "1", (ClusterInfo("prod-a", "https://a"),))


class Home:
    """A coordinator with a shard of so many targets, and what it recorded.

    `shards` are the open targets of each shard; only the first one has any in the run file.
    """

    def __init__(self, targets: int, shards: Sequence[int] = ()) -> None:
        self.clock, self.events, self.stop = VirtualClock(), FakeEvents(), Stop()
        self.journal = FakeJournal([_target(number) for number in range(1, targets + 1)])
        self._writer = JournalWriter(self.journal)
        self.settled: list[int] = []
        self._workers: list[ScriptedWorker] = []
        self.coordinator = Coordinator(Work(INFO), TIMEOUT, self.clock, self.events, self.stop)
        self.lanes = [
            RemoteLane(
                RemoteRunCluster(ClusterInfo(name, f"https://{name}"), FoundCluster(name)),
                self._writer,
                Listeners(_never, self._note, lambda _record: None, lambda *_paces: None),
                Ceilings(None, 1, 4, adaptive=True),
                self.clock,
                weight,
                self.coordinator.changed,
            )
            for name, weight in zip(_CLUSTERS, shards or (targets,), strict=False)
        ]
        self.lane = self.lanes[0]
        for lane in self.lanes:
            self.coordinator.add(lane)
            self.stop.listen(lane.stop)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the shard while the block runs, which must end it."""
        writer = OutcomeWriter(
            self._writer,
            self.clock,
            self.events,
            FakeProgress(),
            lambda group: self.lane.recorded(len(group)),
        )
        async with anyio.create_task_group() as tasks:
            await tasks.start(self.coordinator.run)
            async with anyio.create_task_group() as runs:
                runs.start_soon(pipeline.run, self.lanes, writer)
                yield
            tasks.cancel_scope.cancel()
        for worker in self._workers:
            worker.close()

    def worker(self, name: str) -> ScriptedWorker:
        """Connect a worker."""
        worker = ScriptedWorker(self.coordinator.session, self.coordinator.serve, name)
        self._workers.append(worker)
        return worker

    async def started_shard(self) -> tuple[ScriptedWorker, Epoch]:
        """Let a worker join; return it and the epoch of the shard that it is given."""
        worker = self.worker("0")
        await worker.join("prod-a")
        return worker, (await worker.shard()).epoch

    def lost(self) -> Sequence[str]:
        """Return the workers that lost their shards."""
        return [line["worker"] for line in self.events.lines if line["event"] == "worker.lost"]

    def _note(self, ended: Ended) -> None:
        self.settled += [settlement.target for _, settlement in ended]


def _never(_target: Target, _settlement: Settlement) -> None:
    raise AssertionError("only lanes of this process settle targets one at a time")


class StuckChannel:
    """A connection that takes the welcome and no more, until it is closed; implements `Channel`."""

    def __init__(self, *messages: FromWorker) -> None:
        self.is_stuck = anyio.Event()
        self._bodies = [encode(message) for message in messages]
        self._closed = anyio.Event()

    async def send(self, body: bytes) -> None:
        if isinstance(decode_from_coordinator(body), Welcome):
            return
        self.is_stuck.set()
        await self._closed.wait()
        raise DisconnectedError("cut")

    async def receive(self) -> bytes:
        if self._bodies:
            return self._bodies.pop(0)
        await self._closed.wait()
        raise DisconnectedError("cut")

    def close(self) -> None:
        self._closed.set()


def _stuck(session: str) -> StuckChannel:
    found = Checked((FoundCluster("prod-a"),))
    return StuckChannel(Hello(session, "stuck", "tcp://stuck", "stuck"), found)


def _target(number: int) -> Target:
    return target_with(seen_job(name=f"etl-{number}", uid=f"uid-{number}"), {}, number=number)


async def test_what_a_worker_reports_is_recorded_and_its_shard_ends() -> None:
    home = Home(targets=2)
    async with home.running():
        worker, epoch = await home.started_shard()
        assert ids(await worker.in_doubt(epoch)) == []
        assert ids(await worker.claim(epoch)) == [1, 2]
        await worker.report(1, epoch, 1)
        await worker.report(2, epoch, 2, ended=DONE)

    assert set(home.journal.settled) == {1, 2}


async def test_a_silent_worker_loses_its_shard_and_the_next_one_reads_what_it_had_claimed() -> None:
    home = Home(targets=3)
    async with home.running():
        first, second = home.worker("0"), home.worker("1")
        await first.join("prod-a")
        old = (await first.shard()).epoch
        await first.claim(old)
        await first.report(1, old, 1)
        reported_at = home.clock.monotonic()
        await second.join("prod-a")
        while not home.lost():
            await home.clock.sleep(1)
            await second.report(int(home.clock.monotonic()), 0)
        assert TIMEOUT <= home.clock.monotonic() - reported_at <= TIMEOUT + 2

        new = (await second.shard()).epoch
        assert new > old
        assert ids(await second.in_doubt(new)) == [2]
        assert ids(await second.claim(new, call=4)) == [3]
        await second.report(1000, new, 2, 3, ended=DONE)

    assert set(home.journal.settled) == {1, 2, 3}


async def test_a_worker_that_comes_back_is_dismissed_and_may_begin_again() -> None:
    home = Home(targets=1)
    async with home.running():
        zombie = home.worker("0")
        await zombie.join("prod-a")
        old = (await zombie.shard()).epoch
        await zombie.claim(old)
        await home.clock.sleep(TIMEOUT + 1)
        zombie.reconnect()
        await zombie.send(zombie.hello)
        assert not (await zombie.dismissed()).ended

        again = home.worker("again")
        await again.join("prod-a")
        epoch = (await again.shard()).epoch
        await again.in_doubt(epoch)
        await again.report(1, epoch, 1, ended=DONE)

    assert home.settled == [1]


async def test_calls_with_an_older_epoch_are_refused_and_its_reports_are_ignored() -> None:
    home = Home(targets=2)
    async with home.running():
        worker = home.worker("0")
        await worker.join("prod-a")
        old = (await worker.shard()).epoch
        await worker.claim(old)
        # Its right was over: the shard is given again, here to the same worker.
        await worker.report(1, old, ended=RoundEnd(unfinished=True))
        new = (await worker.shard(above=old)).epoch

        assert (await worker.claim(old, after=2)).refused
        assert (await worker.release(old, 1)).refused
        await worker.report(2, old, 1)
        assert home.settled == []
        assert ids(await worker.in_doubt(new)) == [1, 2]
        await worker.report(3, new, 1, 2, ended=DONE)

    assert home.settled == [1, 2]


async def test_a_claim_whose_answer_was_lost_is_answered_with_the_same_targets() -> None:
    home = Home(targets=4)
    async with home.running():
        worker, epoch = await home.started_shard()
        assert ids(await worker.claim(epoch)) == [1, 2]
        worker.reconnect()
        await worker.send(worker.hello)
        assert ids(await worker.claim(epoch)) == [1, 2]
        assert ids(await worker.claim(epoch, after=2)) == [3, 4]
        await worker.report(1, epoch, 1, 2, 3, 4, ended=DONE)

    assert home.settled == [1, 2, 3, 4]


async def test_a_report_that_arrives_twice_is_counted_once() -> None:
    home = Home(targets=2)
    async with home.running():
        worker, epoch = await home.started_shard()
        await worker.claim(epoch)
        await worker.report(1, epoch, 1)
        worker.reconnect()
        await worker.send(worker.hello)
        await worker.report(1, epoch, 1)
        await worker.report(2, epoch, 1, 2, ended=DONE)

    assert home.settled == [1, 2]
    assert home.lost() == []


async def test_the_right_ends_with_the_lease_or_the_window_if_that_is_sooner() -> None:
    home = Home(targets=1)
    async with home.running():
        worker, epoch = await home.started_shard()
        assert (await worker.report(1, epoch)).right == RIGHT
        home.coordinator.limits = [lambda: inf, lambda: 2.5]
        assert (await worker.report(2, epoch)).right == 2.5
        home.coordinator.limits = [lambda: -1.0]
        assert (await worker.report(3, epoch)).right == 0
        await worker.report(4, epoch, ended=DONE)


async def test_a_stop_reaches_the_worker_at_once_and_ends_its_right() -> None:
    home = Home(targets=3)
    async with home.running():
        worker, epoch = await home.started_shard()
        await worker.claim(epoch)
        await worker.report(1, epoch)
        at = home.clock.monotonic()
        home.stop.request(Cause(CauseCode.PAUSE_REQUESTED, "paused"))
        await worker.expect(Orders)
        assert (await worker.shard()).stop
        assert home.clock.monotonic() == at
        assert ids(await worker.claim(epoch, after=2)) == []
        assert not (await worker.release(epoch, 2)).refused
        assert (await worker.report(2, epoch, 1, ended=DONE)).right == 0

    assert home.settled == [1]
    assert home.journal.doubtful == set()


async def test_a_worker_that_does_not_answer_a_stop_is_awaited_until_its_right_is_over() -> None:
    home = Home(targets=1)
    async with home.running():
        worker, epoch = await home.started_shard()
        await worker.claim(epoch)
        await worker.report(1, epoch)
        at = home.clock.monotonic()
        home.stop.request(Cause(CauseCode.PAUSE_REQUESTED, "paused"))

    assert RIGHT <= home.clock.monotonic() - at < RIGHT + 2
    assert home.journal.doubtful == {1}


async def test_without_any_worker_the_run_is_stopped_after_a_minute() -> None:
    home = Home(targets=1)
    async with home.running():
        pass

    assert home.stop.cause is not None
    assert home.stop.cause.code is CauseCode.WORKERS_LOST
    assert WITHOUT_WORKERS <= home.clock.monotonic() <= WITHOUT_WORKERS + 1


async def test_a_worker_of_another_session_is_dismissed_for_good() -> None:
    home = Home(targets=1)
    async with home.running():
        stray = home.worker("0")
        await stray.send(Hello("another", "agent", "tcp://x", "x"))
        assert (await stray.dismissed()).ended


async def test_a_worker_that_lacks_credentials_gets_no_shard() -> None:
    home = Home(targets=1)
    async with home.running():
        worker = home.worker("0")
        await worker.send(worker.hello)
        await worker.send(Checked((FoundCluster("prod-a", "no such context"),)))

    assert home.stop.cause is not None
    assert home.stop.cause.code is CauseCode.WORKERS_LOST
    assert home.lane.epoch == 0


async def test_an_idle_worker_continues_a_large_shard_of_a_busy_one() -> None:
    home = Home(targets=1, shards=(2000, 1000))
    async with home.running():
        busy, idle = home.worker("0"), home.worker("1")
        await busy.join("prod-a", "prod-b")
        first, second = (await busy.report(1, 0)).shards
        await idle.join("prod-a", "prod-b")
        while not (leaving := [one for one in (await busy.expect(Orders)).shards if one.leave]):
            pass
        # The largest one stays where it is.
        assert leaving[0].cluster == second.cluster == "prod-b"
        await busy.report(2, second.epoch, ended=RoundEnd(unfinished=True))
        moved = await idle.shard()
        assert (moved.cluster, moved.epoch > second.epoch) == ("prod-b", True)
        await idle.report(1, moved.epoch, ended=DONE)
        await busy.report(3, first.epoch, ended=DONE)

    assert home.lost() == []


async def test_a_worker_that_joins_continues_half_of_the_work_and_all_other_shards_stay() -> None:
    home = Home(targets=1, shards=(3000, 1500, 1400, 1300, 100))
    async with home.running():
        busy, idle = home.worker("0"), home.worker("1")
        clusters = [lane.cluster for lane in home.lanes]
        await busy.join(*clusters)
        given = {one.cluster: one.epoch for one in (await busy.report(1, 0)).shards}
        await idle.join(*clusters)
        while not (leaving := [one for one in (await busy.expect(Orders)).shards if one.leave]):
            pass
        moved = [one.cluster for one in leaving]
        assert moved == ["prod-b", "prod-c"]
        for number, one in enumerate(leaving, 2):
            await busy.report(number, one.epoch, ended=RoundEnd(unfinished=True))
        kept = {one.cluster: one.epoch for one in (await busy.report(9, 0)).shards}
        assert kept == {name: epoch for name, epoch in given.items() if name not in moved}
        while {one.cluster for one in (await idle.expect(Orders)).shards} != set(moved):
            pass
        for lane in home.lanes:
            lane.end()

    assert sum(one["event"] == "shard.started" for one in home.events.lines) == len(given) + 2


async def test_a_connection_that_is_cut_while_it_is_written_to_ends_no_other() -> None:
    home = Home(targets=1)
    async with home.running():
        stuck = _stuck(home.coordinator.session)
        home.coordinator.serve(stuck)
        await stuck.is_stuck.wait()
        stuck.close()
        worker = home.worker("0")
        await worker.join("prod-a")
        while not home.lost():
            await home.clock.sleep(1)
        epoch = (await worker.shard()).epoch
        await worker.claim(epoch)
        await worker.report(1, epoch, 1, ended=DONE)

    assert home.lost() == ["stuck"]
    assert home.settled == [1]


async def test_a_suspended_worker_keeps_no_other_one_from_hearing_that_the_session_is_over() -> (
    None
):
    coordinator = Coordinator(Work(INFO), TIMEOUT, VirtualClock(), FakeEvents(), Stop())
    async with anyio.create_task_group() as tasks:
        await tasks.start(coordinator.run)
        stuck = _stuck(coordinator.session)
        coordinator.serve(stuck)
        worker = ScriptedWorker(coordinator.session, coordinator.serve, "0")
        await worker.join("prod-a")
        tasks.start_soon(coordinator.dismiss)

        assert (await worker.dismissed()).ended
        worker.close()
        stuck.close()
        tasks.cancel_scope.cancel()
