"""Workers that join a coordinator, leave it or hang, in virtual time.

Covered: workers of another session or without credentials, shards that move to a worker that has
nothing to do, and connections that are stuck. Left out: one worker and its shard
(test_coordinator.py), real processes (test_lost_workers.py).
"""

import anyio

from fleetpatch.campaign.settings import Stop
from fleetpatch.model.cause import CauseCode
from fleetpatch.workers.channel import DisconnectedError
from fleetpatch.workers.coordinator import Coordinator
from fleetpatch.workers.messages import (
    Checked,
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
from tests.fakes import FakeEvents, VirtualClock
from tests.workers.coordinators import DONE, INFO, TIMEOUT, Home
from tests.workers.memory_channel import ScriptedWorker


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
