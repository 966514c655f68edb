"""A channel in memory, and a worker whose every message a test writes."""

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from fleetpatch.campaign.running.lanes import Listeners
from fleetpatch.model.outcome import Reason, Settlement
from fleetpatch.model.pace import PaceCause
from fleetpatch.model.target import TargetId
from fleetpatch.workers.channel import DisconnectedError
from fleetpatch.workers.messages import (
    Answer,
    Checked,
    Claim,
    Dismissed,
    FoundCluster,
    FromCoordinator,
    FromWorker,
    Hello,
    InDoubt,
    Order,
    Orders,
    Release,
    RoundEnd,
    ShardReport,
    Welcome,
    WirePace,
    WorkerReport,
    decode_from_coordinator,
    encode,
)

T = TypeVar("T")
IGNORING = Listeners(
    lambda *_one: None, lambda _ended: None, lambda _record: None, lambda *_paces: None
)
"""Listeners of a lane whose session does not matter."""

PACE = WirePace(4, None, PaceCause.WORK)


class MemoryChannel:
    """Implements the port `Channel`; `pair` makes both ends."""

    def __init__(
        self, outbox: MemoryObjectSendStream[bytes], inbox: MemoryObjectReceiveStream[bytes]
    ) -> None:
        self._outbox, self._inbox = outbox, inbox

    async def send(self, body: bytes) -> None:
        try:
            await self._outbox.send(body)
        except (anyio.ClosedResourceError, anyio.BrokenResourceError) as error:
            raise DisconnectedError(str(error)) from error

    async def receive(self) -> bytes:
        try:
            return await self._inbox.receive()
        except (anyio.ClosedResourceError, anyio.EndOfStream) as error:
            raise DisconnectedError(str(error)) from error

    def close(self) -> None:
        self._outbox.close()
        self._inbox.close()


def pair() -> tuple[MemoryChannel, MemoryChannel]:
    """Return the two ends of a connection."""
    out, to = anyio.create_memory_object_stream[bytes](math.inf)
    back, from_ = anyio.create_memory_object_stream[bytes](math.inf)
    return MemoryChannel(out, from_), MemoryChannel(back, to)


class ScriptedWorker:
    """The worker's end of the protocol, one message at a time."""

    def __init__(self, session: str, serve: Callable[[MemoryChannel], None], name: str) -> None:
        self._serve = serve
        self.hello = Hello(session, f"agent-{name}", f"tcp://{name}", name)
        self._sent = 0
        self._orders: Sequence[Order] = ()
        self.channel = self._connected()

    def close(self) -> None:
        """Close the connection."""
        self.channel.close()

    def reconnect(self) -> None:
        """Connect again."""
        self.channel.close()
        self.channel = self._connected()

    def _connected(self) -> MemoryChannel:
        own, other = pair()
        self._serve(other)
        return own

    async def join(self, *clusters: str) -> None:
        """Become a worker that has the credentials of these clusters."""
        await self.send(self.hello)
        await self.expect(Welcome)
        await self.send(Checked(tuple(FoundCluster(name) for name in clusters)))

    async def send(self, message: FromWorker) -> None:
        await self.channel.send(encode(message))

    async def expect(self, kind: type[T]) -> T:
        """Return the next message of this kind; others are skipped."""
        while True:
            message: FromCoordinator = decode_from_coordinator(await self.channel.receive())
            if isinstance(message, Orders):
                self._orders = message.shards
            if isinstance(message, kind):
                return message

    async def shard(self, *, above: int = 0) -> Order:
        """Wait until there are orders for a shard of an epoch above this one."""
        while not (self._orders and self._orders[0].epoch > above):
            await self.expect(Orders)
        return self._orders[0]

    async def report(
        self,
        sequence: int,
        epoch: int,
        *targets: int,
        ended: RoundEnd | None = None,
        reason: Reason = Reason.PATCHED,
    ) -> Orders:
        """Report that targets have ended; return the orders that answer it."""
        settled = [Settlement(TargetId(one), reason, 200, 1, 0, 1.0, "11", "") for one in targets]
        shard = ShardReport(epoch, 1, 0, PACE, settled, ended=ended)
        self._sent += 1
        await self.send(WorkerReport(sequence, self._sent, (shard,)))
        while (orders := await self.expect(Orders)).answers != self._sent:
            pass
        return orders

    async def claim(self, epoch: int, after: int = 0, limit: int = 2, call: int = 1) -> Answer:
        """Claim targets, and return the answer."""
        await self.send(Claim(call=call, epoch=epoch, limit=limit, last=None, after=after))
        return await self.expect(Answer)

    async def in_doubt(self, epoch: int) -> Answer:
        """Ask for the targets in doubt."""
        await self.send(InDoubt(call=2, epoch=epoch, after=0, limit=10))
        return await self.expect(Answer)

    async def release(self, epoch: int, *targets: int) -> Answer:
        """Release targets."""
        await self.send(Release(3, epoch, targets))
        return await self.expect(Answer)

    async def dismissed(self) -> Dismissed:
        """Wait for the dismissal."""
        return await self.expect(Dismissed)


def ids(answer: Answer) -> Sequence[int]:
    """Return the ids of the targets of an answer."""
    return [target.id for target in answer.targets]
