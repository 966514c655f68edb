"""One Lease on a server in memory, and clients of it, each with failures of its own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count

from fleetpatch.model.lease import Lease, LeaseMiss, LeaseRecord, LeaseReply, LeaseTrouble
from fleetpatch.model.ports import Clock


@dataclass
class LeaseServer:
    """The stored Lease. `history` lists each record with the time at which it was stored."""

    clock: Clock
    lease: Lease | None = None
    history: list[tuple[float, LeaseRecord]] = field(default_factory=list)
    _versions: Iterator[int] = field(default_factory=lambda: count(1))

    def put(self, record: LeaseRecord) -> Lease:
        """Store a record without a condition."""
        self.lease = Lease(record, str(next(self._versions)))
        self.history.append((self.clock.monotonic(), record))
        return self.lease

    def touch(self) -> None:
        """Change a label: the resourceVersion changes, and the record does not."""
        assert self.lease is not None
        self.lease = Lease(self.lease.record, str(next(self._versions)))


@dataclass
class FakeLeases:
    """Implements the port Leases, for one client of `server`.

    `trouble` is called before each request and may return the answer to it; each answer takes
    `latency` seconds. For each verb in `unanswered`, one request is carried out and never answered.
    """

    server: LeaseServer
    trouble: Callable[[str], LeaseReply | None] = lambda _verb: None
    latency: float = 0.01
    unanswered: list[str] = field(default_factory=list)
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
        if verb in self.unanswered:
            self.unanswered.remove(verb)
            await clock.sleep(3600)
        await clock.sleep(self.latency / 2)
        return reply


def failing(*details: str) -> Callable[[str], LeaseReply | None]:
    """Answer the first requests with these troubles, and the others normally."""
    left = list(details)
    return lambda _verb: LeaseTrouble(left.pop(0)) if left else None
