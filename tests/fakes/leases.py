"""One Lease on a server in memory, seen by several clients, each with troubles of its own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count

from fleetpatch.model.lease import Lease, LeaseMiss, LeaseRecord, LeaseReply, LeaseTrouble
from fleetpatch.model.ports import Clock


@dataclass
class LeaseServer:
    """What is stored. `history` lists every record with the time at which it was stored."""

    clock: Clock
    lease: Lease | None = None
    history: list[tuple[float, LeaseRecord]] = field(default_factory=list)
    _versions: Iterator[int] = field(default_factory=lambda: count(1))

    def put(self, record: LeaseRecord) -> Lease:
        """Store a record, as anybody may."""
        self.lease = Lease(record, str(next(self._versions)))
        self.history.append((self.clock.monotonic(), record))
        return self.lease

    def touch(self) -> None:
        """Let somebody change a label: the version moves, and the record stays."""
        assert self.lease is not None
        self.lease = Lease(self.lease.record, str(next(self._versions)))


@dataclass
class FakeLeases:
    """Keeps the port Leases, for one client of `server`.

    `trouble` is asked before each request and may answer in the server's place; each answer takes
    `latency` seconds to come. For each verb in `deaf`, one request is carried out and its answer
    never comes.
    """

    server: LeaseServer
    trouble: Callable[[str], LeaseReply | None] = lambda _verb: None
    latency: float = 0.01
    deaf: list[str] = field(default_factory=list)
    requests: list[tuple[float, str]] = field(default_factory=list)

    async def read(self) -> LeaseReply:
        return await self._answer("get", lambda: self.server.lease or LeaseMiss.ABSENT)

    async def create(self, record: LeaseRecord) -> LeaseReply:
        server = self.server
        return await self._answer(
            "create", lambda: LeaseMiss.CONFLICT if server.lease else server.put(record)
        )

    async def update(self, record: LeaseRecord, version: str) -> LeaseReply:
        def update() -> LeaseReply:
            if self.server.lease is None:
                return LeaseMiss.ABSENT
            if self.server.lease.version != version:
                return LeaseMiss.CONFLICT
            return self.server.put(record)

        return await self._answer("update", update)

    async def _answer(self, verb: str, answer: Callable[[], LeaseReply]) -> LeaseReply:
        clock = self.server.clock
        self.requests.append((clock.monotonic(), verb))
        await clock.sleep(self.latency / 2)
        reply = self.trouble(verb) or answer()
        if verb in self.deaf:
            self.deaf.remove(verb)
            await clock.sleep(3600)
        await clock.sleep(self.latency / 2)
        return reply


def failing(*details: str) -> Callable[[str], LeaseReply | None]:
    """Answer so many requests with these troubles, and let the others pass."""
    left = list(details)
    return lambda _verb: LeaseTrouble(left.pop(0)) if left else None
