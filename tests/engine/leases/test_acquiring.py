"""A Lease that is acquired, in virtual time.

Covered: who gets it and who is refused, how a dead holder's runs out and by whose clock, what a
stop, a missing right and a server in trouble do, and a first answer that is lost.
Left out: HTTP (tests/kube/test_lease), real processes (tests/e2e/test_leases).
"""

import anyio
import pytest

from fleetpatch.errors import ClusterError, Locked
from fleetpatch.model.lease import LeaseRecord
from tests.engine.leases.machines import DOWN, FORBIDDEN, Machine, held_by, watching
from tests.fakes.leases import LeaseServer, failing


async def test_a_lease_that_is_not_there_is_made_renewed_and_given_back(
    server: LeaseServer,
) -> None:
    machine = Machine(server, "a_1_x")

    assert await machine.lease_holder.acquire()
    assert machine.lease_holder.holds()
    await machine.work(65)

    times = [at for at, _ in server.history]
    assert times == pytest.approx([0, 10, 20, 30, 40, 50, 60, 65], abs=0.2)
    first, last = server.history[0][1], server.history[-1][1]
    assert first == LeaseRecord(
        "a_1_x", 30, "2027-01-15T08:00:00.010000Z", "2027-01-15T08:00:00.010000Z"
    )
    assert (last.holder, last.acquired) == ("", first.acquired)
    assert machine.causes == []
    assert machine.logged == ["lease.acquired", "lease.released"]
    assert not machine.lease_holder.holds(), "what is given back is not held"


async def test_a_lease_that_was_given_back_is_taken_at_once(server: LeaseServer) -> None:
    server.put(LeaseRecord("", 30, "then", "then", 3))

    assert await Machine(server, "a_1_x").lease_holder.acquire()

    assert server.clock.monotonic() < 1
    assert server.lease is not None
    assert (server.lease.record.holder, server.lease.record.transitions) == ("a_1_x", 4)


async def test_a_second_process_is_refused_and_the_error_names_the_holder(
    server: LeaseServer,
) -> None:
    first, second = Machine(server, "a_1_x"), Machine(server, "b_2_y")
    await first.lease_holder.acquire()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(first.work, 100)
        with pytest.raises(Locked, match=r"ops/relabel in cluster prod: a_1_x holds it \(since 20"):
            await second.lease_holder.acquire()
        assert server.clock.monotonic() < 15, "one renewal shows that it is alive"
        tasks.cancel_scope.cancel()

    assert {verb for _, verb in second.leases.requests} == {"get"}
    assert second.logged == ["lease.awaited"]


async def test_a_holder_that_ends_while_it_is_watched_was_alive_when_we_asked(
    server: LeaseServer,
) -> None:
    first, second = Machine(server, "a_1_x"), Machine(server, "b_2_y")
    await first.lease_holder.acquire()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(first.work, 3)
        with pytest.raises(Locked, match="a_1_x"):
            await second.lease_holder.acquire()

    assert server.clock.monotonic() < 6


async def test_one_of_many_concurrent_processes_acquires_the_lease(server: LeaseServer) -> None:
    machines = [Machine(server, f"m_{number}_x") for number in range(8)]
    got: list[str] = []

    async def start(machine: Machine) -> None:
        try:
            if await machine.lease_holder.acquire():
                got.append("it")
                await machine.work(60)
        except Locked:
            got.append("refused")

    async with anyio.create_task_group() as tasks:
        for machine in machines:
            tasks.start_soon(start, machine)

    assert sorted(got) == ["it", *["refused"] * 7]


@pytest.mark.parametrize("wall", [-86_400.0, 0.0, 86_400.0])
async def test_a_dead_holders_lease_is_taken_over_once_it_stood_still_for_its_duration(
    server: LeaseServer, wall: float
) -> None:
    server.put(held_by("dead_9_z", seconds=45))
    machine = Machine(server, "a_1_x", wall=wall)

    assert await machine.lease_holder.acquire()

    assert 45 <= server.clock.monotonic() < 48, "whatever the clock on the wall says"
    assert server.lease is not None
    assert (server.lease.record.holder, server.lease.record.transitions) == ("a_1_x", 4)
    assert machine.events.lines[-1]["former"] == "dead_9_z"


async def test_a_label_on_a_dead_holders_lease_does_not_count_as_a_renewal(
    server: LeaseServer,
) -> None:
    server.put(held_by("dead_9_z"))
    machine = Machine(server, "a_1_x")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watching, server, 60, server.touch)
        assert await machine.lease_holder.acquire()
        assert 30 <= server.clock.monotonic() < 35
        tasks.cancel_scope.cancel()


async def test_a_duration_beyond_reason_is_not_waited_for(server: LeaseServer) -> None:
    server.put(held_by("odd_9_z", seconds=10_000_000))

    with pytest.raises(Locked, match="odd_9_z"):
        await Machine(server, "a_1_x").lease_holder.acquire()


async def test_a_stop_ends_the_waiting(server: LeaseServer) -> None:
    server.put(held_by("dead_9_z"))
    machine = Machine(server, "a_1_x")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watching, server, 7, lambda: None)
        server_clock = server.clock

        async def stop() -> None:
            await server_clock.sleep(5)
            machine.shutdown.request()

        tasks.start_soon(stop)
        assert not await machine.lease_holder.acquire()
        assert server.clock.monotonic() == pytest.approx(5)

    assert not machine.lease_holder.holds()


async def test_a_missing_right_is_reported_at_once_and_nothing_is_retried(
    server: LeaseServer,
) -> None:
    machine = Machine(server, "a_1_x")
    machine.leases.trouble = lambda _verb: FORBIDDEN

    with pytest.raises(
        ClusterError, match=r"lease ops/relabel .* cannot be acquired: 403 Forbidden"
    ):
        await machine.lease_holder.acquire()

    assert len(machine.leases.requests) == 1


async def test_a_server_that_stumbles_is_asked_again_but_not_for_ever(server: LeaseServer) -> None:
    patient, hopeless = Machine(server, "a_1_x"), Machine(server, "b_2_y")
    patient.leases.trouble = failing("503 busy", "no answer")
    hopeless.leases.trouble = lambda _verb: DOWN

    assert await patient.lease_holder.acquire()
    with pytest.raises(ClusterError, match="connection refused"):
        await hopeless.lease_holder.acquire()


async def test_a_first_write_whose_answer_is_lost_is_recognised(server: LeaseServer) -> None:
    machine = Machine(server, "a_1_x")
    machine.leases.unanswered = ["create"]

    assert await machine.lease_holder.acquire()

    assert machine.lease_holder.holds()
    assert [record.holder for _, record in server.history] == ["a_1_x", "a_1_x"]
