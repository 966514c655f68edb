"""A Lease that is acquired, renewed, lost and released, in virtual time.

Covered: who gets it and who is refused, how a dead holder's runs out and by whose clock, renewals
that fail, answers that are lost, a holder that was suspended, and that at no moment two may send.
Left out: HTTP (tests/kube/test_kube_leases), real processes (tests/e2e/test_leases).
"""

from collections.abc import Callable
from random import Random

import anyio
import pytest

from fleetpatch.engine.lease import LeaseConfig, LeaseHolder
from fleetpatch.engine.pacer import Pacer
from fleetpatch.engine.policy import PatchContext, PatchPolicy
from fleetpatch.engine.retry import ClusterPatcher
from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.errors import ClusterError, Locked
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.change import MetadataChange
from fleetpatch.model.lease import LeaseRecord, LeaseReply, LeaseTrouble
from tests.fakes import FakeCluster, FakeEvents, ObjectStore, VirtualClock, seen_job, target_of
from tests.fakes.leases import FakeLeases, LeaseServer, failing

DOWN = LeaseTrouble("unreachable: connection refused")
FORBIDDEN = LeaseTrouble("403 Forbidden: no", passing=False)


class Suspended(VirtualClock):
    """One process's view of the time: while it is suspended, its timers do not fire."""

    def __init__(self, clock: VirtualClock, wall: float = 0.0) -> None:
        super().__init__()
        self._shared = clock
        self.step = wall
        self.until = 0.0

    def monotonic(self) -> float:
        return self._shared.monotonic()

    def wall(self) -> float:
        return self._shared.wall() + self.step

    async def sleep(self, seconds: float) -> None:
        await self._shared.sleep(seconds)
        while self.monotonic() < self.until:
            await self._shared.sleep(self.until - self.monotonic())


class Machine:
    """One process on a machine of its own, with a lease_holder of the shared Lease."""

    def __init__(self, server: LeaseServer, name: str, *, wall: float = 0.0) -> None:
        assert isinstance(server.clock, VirtualClock)
        self.clock = Suspended(server.clock, wall)
        self.leases = FakeLeases(server)
        self.events = FakeEvents()
        self.shutdown = Shutdown(self.clock)
        self.causes: list[Cause] = []
        self.lease_holder = LeaseHolder(
            LeaseConfig("ops/relabel in cluster prod", name, 30),
            self.leases,
            self.clock,
            self.events,
            self.shutdown,
            self.causes.append,
        )

    async def work(self, seconds: float) -> None:
        """Hold the Lease for so long, after which it is given back."""
        async with self.lease_holder.renewing():
            await self.clock.sleep(seconds)

    @property
    def logged(self) -> list[str]:
        return [line["event"] for line in self.events.lines]


@pytest.fixture
def server() -> LeaseServer:
    return LeaseServer(VirtualClock())


def held_by(holder: str, *, seconds: int = 30, transitions: int = 3) -> LeaseRecord:
    return LeaseRecord(holder, seconds, "2027-01-15T07:00:00.000000Z", "then", transitions)


async def watching(server: LeaseServer, seconds: float, see: Callable[[], None]) -> None:
    """Look every tenth of a second."""
    for _ in range(round(seconds * 10)):
        see()
        await server.clock.sleep(0.1)


# Acquiring


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


# Keeping


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


# Sending


def patcher_of(machine: Machine, cluster: FakeCluster) -> ClusterPatcher:
    policy = PatchPolicy(MetadataChange(labels={"team": "red"}), lambda _target, _seen: True)
    shutdown = Shutdown(machine.clock, machine.lease_holder.holds)
    pacer = Pacer(machine.clock, None)
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
