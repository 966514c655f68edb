"""The coordinator's side of the protocol, with workers that a test scripts, in virtual time.

Covered: epochs, send deadlines, silence and its end, lost and repeated messages, stops, no workers
at all. Left out: workers that join and leave (test_coordinator_members.py), the worker's side
(test_worker_side.py), real processes (test_lost_workers.py).
"""

from math import inf

from fleetpatch.campaign.running.former_workers import MAX_SEND_PERIOD
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.workers.coordinator import WITHOUT_WORKERS
from fleetpatch.workers.messages import Orders, RoundEnd
from tests.workers.coordinators import DONE, TIMEOUT, Home
from tests.workers.memory_channel import ids


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
        # Its send deadline had passed: the shard is given again, here to the same worker.
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
        assert (await worker.report(1, epoch)).may_send_for == MAX_SEND_PERIOD
        home.coordinator.limits = [lambda: inf, lambda: 2.5]
        assert (await worker.report(2, epoch)).may_send_for == 2.5
        home.coordinator.limits = [lambda: -1.0]
        assert (await worker.report(3, epoch)).may_send_for == 0
        await worker.report(4, epoch, ended=DONE)


async def test_a_stop_reaches_the_worker_at_once_and_it_may_not_send() -> None:
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
        assert (await worker.report(2, epoch, 1, ended=DONE)).may_send_for == 0

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

    assert MAX_SEND_PERIOD <= home.clock.monotonic() - at < MAX_SEND_PERIOD + 2
    assert home.journal.doubtful == {1}


async def test_without_any_worker_the_run_is_stopped_after_a_minute() -> None:
    home = Home(targets=1)
    async with home.running():
        pass

    assert home.stop.cause is not None
    assert home.stop.cause.code is CauseCode.WORKERS_LOST
    assert WITHOUT_WORKERS <= home.clock.monotonic() <= WITHOUT_WORKERS + 1
