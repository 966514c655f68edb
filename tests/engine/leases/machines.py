"""Processes that share one Lease, each on a machine of its own, in virtual time."""

from collections.abc import Callable

from fleetpatch.engine.lease import LeaseConfig, LeaseHolder
from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.model.cause import Cause
from fleetpatch.model.lease import LeaseRecord, LeaseTrouble
from tests.fakes import FakeEvents, VirtualClock
from tests.fakes.leases import FakeLeases, LeaseServer

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


def held_by(holder: str, *, seconds: int = 30, transitions: int = 3) -> LeaseRecord:
    return LeaseRecord(holder, seconds, "2027-01-15T07:00:00.000000Z", "then", transitions)


async def watching(server: LeaseServer, seconds: float, see: Callable[[], None]) -> None:
    """Look every tenth of a second."""
    for _ in range(round(seconds * 10)):
        see()
        await server.clock.sleep(0.1)
