"""What a lane on a worker uses of the run file: calls to the coordinator, which has it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from fleetpatch.model.resource import Resource
from fleetpatch.model.target import Target
from fleetpatch.workers.messages import Answer, Claim, Epoch, InDoubt, Release
from fleetpatch.workers.wire import targets_of

Call: TypeAlias = Claim | InDoubt | Release
Caller: TypeAlias = Callable[[Callable[[int], Call]], Awaitable[Answer]]
"""Sends the call that is made with a number, and returns its answer."""


class ShardLostError(Exception):
    """The shard has another worker now, or the session is over."""


class RemoteJournal:
    """Implements `LaneJournal` for one epoch of a shard. Its methods raise ShardLostError."""

    def __init__(self, epoch: Epoch, call: Caller) -> None:
        self._epoch = epoch
        self._call = call
        self._resources: dict[str, Resource] = {}

    async def claim(
        self, cluster: str, limit: int, last: int | None = None, after: int = 0
    ) -> Sequence[Target]:
        """See `Journal.claim`."""
        answer = await self._answered(lambda call: Claim(call, self._epoch, limit, last, after))
        return targets_of(cluster, answer, self._resources)

    async def in_doubt(self, cluster: str, after: int, limit: int) -> Sequence[Target]:
        """See `Journal.in_doubt`."""
        answer = await self._answered(lambda call: InDoubt(call, self._epoch, after, limit))
        return targets_of(cluster, answer, self._resources)

    async def release(self, targets: Sequence[Target]) -> None:
        """See `Journal.release`."""
        ids = tuple(target.id for target in targets)
        await self._answered(lambda call: Release(call, self._epoch, ids))

    async def _answered(self, make: Callable[[int], Call]) -> Answer:
        answer = await self._call(make)
        if answer.refused:
            raise ShardLostError
        return answer
