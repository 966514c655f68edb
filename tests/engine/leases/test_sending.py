"""What is sent under a Lease, in virtual time.

Covered: a holder that was suspended, the guard without any task, and that at no moment two may
send. Left out: how it is acquired (test_acquiring) and kept (test_keeping).
"""

from random import Random

import anyio
import pytest

from fleetpatch.engine.pacer import Pacer
from fleetpatch.engine.policy import PatchContext, PatchPolicy
from fleetpatch.engine.retry import ClusterPatcher
from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.errors import ClusterError, Locked
from fleetpatch.model.change import MetadataChange
from fleetpatch.model.lease import LeaseReply
from fleetpatch.model.pace import Ceilings
from tests.engine.leases.machines import DOWN, Machine, watching
from tests.fakes import FakeCluster, ObjectStore, seen_job, target_of
from tests.fakes.leases import LeaseServer


def patcher_of(machine: Machine, cluster: FakeCluster) -> ClusterPatcher:
    policy = PatchPolicy(MetadataChange(labels={"team": "red"}), lambda _target, _seen: True)
    shutdown = Shutdown(machine.clock, machine.lease_holder.holds)
    pacer = Pacer(machine.clock, Ceilings())
    return ClusterPatcher(
        PatchContext(cluster, policy, pacer, shutdown, machine.clock), lambda: 1.0
    )


async def test_a_holder_that_was_suspended_sends_nothing_when_it_resumes(
    server: LeaseServer,
) -> None:
    first, second = Machine(server, "a_1_x"), Machine(server, "b_2_y")
    objects = [seen_job({"team": "blue"}, name=f"job-{n}", uid=f"uid-{n}") for n in range(1000)]
    change = MetadataChange(labels={"team": "red"})
    targets = [target_of(change, seen, number=n) for n, seen in enumerate(objects, 1)]
    store = ObjectStore(objects)
    cluster = FakeCluster(first.clock, store.patch, store.read, latency=0.1)
    patcher = patcher_of(first, cluster)
    await first.lease_holder.acquire()

    async def patch() -> None:
        async with first.lease_holder.renewing():
            for target in targets:
                await patcher.patch(target)

    async def suspend() -> None:
        await server.clock.sleep(5)
        first.clock.until = 100.0
        assert await second.lease_holder.acquire()
        await second.work(1000)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(patch)
        tasks.start_soon(suspend)

    sent = [call.at for call in cluster.patched]
    assert 40 < len(sent) < 60
    assert max(sent) <= 5.1, "nothing, once it was woken up"
    assert second.logged == ["lease.awaited", "lease.acquired", "lease.released"]
    assert all(at <= 5 for at, verb in first.leases.requests if verb == "update")
    assert "was not renewed in time: this process was suspended" in first.causes[0].text


async def test_the_guard_holds_even_where_no_task_renews_or_watches(server: LeaseServer) -> None:
    machine = Machine(server, "a_1_x")
    store = ObjectStore([seen_job({"team": "blue"})])
    cluster = FakeCluster(machine.clock, store.patch, store.read)
    await machine.lease_holder.acquire()
    await server.clock.sleep(20.1)

    target = target_of(MetadataChange(labels={"team": "red"}), store["etl-1"])
    await patcher_of(machine, cluster).patch(target)

    assert cluster.calls == []
    assert len(machine.causes) == 1


@pytest.mark.parametrize("seed", range(20))
async def test_at_no_moment_two_hold_it_whatever_fails(server: LeaseServer, seed: int) -> None:
    random = Random(seed)
    machines = [Machine(server, f"m_{n}_x", wall=random.uniform(-1e6, 1e6)) for n in range(3)]
    most = 0

    def stumble(verb: str) -> LeaseReply | None:
        if random.random() < 0.05:
            random.choice(machines).leases.unanswered.append(verb)
        return DOWN if random.random() < 0.3 else None

    async def live(machine: Machine) -> None:
        machine.leases.trouble = stumble
        try:
            if await machine.lease_holder.acquire():
                await machine.work(random.uniform(1, 300))
        except (Locked, ClusterError):
            pass

    def see() -> None:
        nonlocal most
        holders = sum(machine.lease_holder.holds() for machine in machines)
        most = max(most, holders)
        assert holders <= 1
        if random.random() < 0.01:
            machine = random.choice(machines)
            machine.clock.until = server.clock.monotonic() + random.uniform(5, 60)

    async with anyio.create_task_group() as tasks:
        for machine in machines:
            tasks.start_soon(live, machine)
        await watching(server, 400, see)
        tasks.cancel_scope.cancel()

    assert most == 1
