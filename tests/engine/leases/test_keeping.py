"""A Lease that is renewed, lost and released, in virtual time.

Covered: renewals that fail, hang, or whose answers are lost, another holder, a Lease that is
deleted or labelled, and steps of the wall clock.
Left out: who gets it (test_acquiring), what is sent meanwhile (test_sending).
"""

import anyio
import pytest

from fleetpatch.model.cause import Cause, CauseCode
from tests.engine.leases.machines import DOWN, Machine, held_by, watching
from tests.fakes.leases import LeaseServer, failing


async def test_renewals_that_fail_for_a_while_do_no_harm(server: LeaseServer) -> None:
    machine = Machine(server, "a_1_x")
    await machine.lease_holder.acquire()
    machine.leases.trouble = failing("503", "503", "504")

    await machine.work(60)

    assert machine.causes == []
    assert machine.logged.count("lease.not-renewed") == 3


async def test_a_holder_that_cannot_renew_stops_before_another_may_take_over(
    server: LeaseServer,
) -> None:
    first, second = Machine(server, "a_1_x"), Machine(server, "b_2_y")
    await first.lease_holder.acquire()
    first.leases.trouble = lambda _verb: DOWN

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(first.work, 60)
        await server.clock.sleep(19.9)
        assert first.causes == []
        await server.clock.sleep(0.2)
        (cause,) = [lost.text for lost in first.causes]
        assert await second.lease_holder.acquire()

    assert cause.endswith("cluster prod was not renewed in time: unreachable: connection refused")
    assert server.clock.monotonic() >= 20 + 30
    assert first.logged[-1] == "lease.lost", "what is lost is not released"


async def test_a_server_that_never_answers_does_not_hold_up_the_end(server: LeaseServer) -> None:
    machine = Machine(server, "a_1_x")
    await machine.lease_holder.acquire()
    machine.leases.latency = 3600

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(machine.work, 30)
        await watching(server, 20.5, lambda: None)
        assert len(machine.causes) == 1
        assert "no answer within the time allowed" in machine.causes[0].text


async def test_an_unanswered_release_does_not_delay_the_end_either(server: LeaseServer) -> None:
    machine = Machine(server, "a_1_x")
    await machine.lease_holder.acquire()
    machine.leases.latency = 3600

    await machine.work(5)

    assert server.clock.monotonic() < 6.5


async def test_a_renewal_under_way_does_not_keep_it_from_being_given_back(
    server: LeaseServer,
) -> None:
    machine = Machine(server, "a_1_x")
    await machine.lease_holder.acquire()
    machine.leases.latency = 0.2

    await machine.work(10.15 - server.clock.monotonic())

    assert [record.holder for _, record in server.history] == ["a_1_x", "a_1_x", ""]


@pytest.mark.parametrize("usurper", ["b_2_y", ""])
async def test_a_process_that_finds_another_holder_stops_at_once(
    server: LeaseServer, usurper: str
) -> None:
    machine = Machine(server, "a_1_x")
    await machine.lease_holder.acquire()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(machine.work, 30)
        await server.clock.sleep(5)
        server.put(held_by(usurper))
        await server.clock.sleep(6)

        assert not machine.lease_holder.holds()
        assert [lost.text for lost in machine.causes] == [
            "the lease ops/relabel in cluster prod was taken over by "
            + (usurper or "another process")
        ]

    assert server.history[-1][1].holder == usurper


async def test_a_lease_that_is_deleted_is_lost(server: LeaseServer) -> None:
    machine = Machine(server, "a_1_x")
    await machine.lease_holder.acquire()
    server.lease = None

    await machine.work(15)

    deleted = "the lease ops/relabel in cluster prod was deleted"
    assert machine.causes == [Cause(CauseCode.LEASE_LOST, deleted)]
    assert server.lease is None


async def test_a_label_on_our_lease_is_harmless(server: LeaseServer) -> None:
    machine = Machine(server, "a_1_x")
    await machine.lease_holder.acquire()
    server.touch()

    await machine.work(60)

    assert machine.causes == []


async def test_a_renewal_whose_answer_is_lost_is_found_by_reading(server: LeaseServer) -> None:
    machine = Machine(server, "a_1_x")
    await machine.lease_holder.acquire()
    machine.leases.unanswered = ["update"]

    await machine.work(60)

    assert machine.causes == []
    assert machine.logged.count("lease.not-renewed") == 1


async def test_steps_of_the_wall_clock_change_nothing(server: LeaseServer) -> None:
    machine = Machine(server, "a_1_x")
    await machine.lease_holder.acquire()
    steps = iter([86_400.0, -86_400.0] * 500)

    def step() -> None:
        machine.clock.step = next(steps)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watching, server, 60, step)
        await machine.work(65)

    assert machine.causes == []
    assert len(server.history) == 8
