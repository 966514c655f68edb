"""What a lane on a worker uses of the run file: calls to the coordinator, which has it."""

from collections.abc import Awaitable, Callable, Sequence
from math import inf
from typing import Final, TypeAlias

from fleetpatch.model.ports import Clock
from fleetpatch.model.resource import Resource
from fleetpatch.model.target import Target
from fleetpatch.workers.messages import Answer, Claim, Epoch, InDoubt, Release
from fleetpatch.workers.wire import targets_of

Call: TypeAlias = Claim | InDoubt | Release
Caller: TypeAlias = Callable[[Callable[[int], Call]], Awaitable[Answer]]
"""Sends the call that is made with a number, and returns its answer."""


_FAST_INTERVAL: Final = 0.5
"""Seconds between two claims of a lane within which the next one is larger."""

_MAX_FACTOR: Final = 8


class ShardLostError(Exception):
    """The shard has another worker now, or the session is over."""


class RemoteJournal:
    """Implements `LaneJournal` for one epoch of a shard. Its methods raise ShardLostError.

    A fast lane claims larger chunks than it asks for: a claim costs the coordinator a commit and a
    message, whatever its size. A slow one does not, since what is claimed is in doubt if the worker
    is lost.
    """

    def __init__(self, epoch: Epoch, call: Caller, clock: Clock) -> None:
        self._epoch = epoch
        self._call = call
        self._clock = clock
        self._resources: dict[int, Resource] = {}
        self._factor = 1
        self._claimed_at = -inf

    async def claim(
        self, cluster: str, *, limit: int, last: int | None = None, after: int = 0
    ) -> Sequence[Target]:
        """See `Journal.claim`; returns up to `_MAX_FACTOR` times as many targets."""
        now = self._clock.monotonic()
        since, self._claimed_at = now - self._claimed_at, now
        if since < _FAST_INTERVAL:
            self._factor = min(_MAX_FACTOR, 2 * self._factor)
        elif since > 4 * _FAST_INTERVAL:
            self._factor = max(1, self._factor // 2)
        limit *= self._factor
        answer = await self._answered(
            lambda call: Claim(call=call, epoch=self._epoch, limit=limit, last=last, after=after)
        )
        return self._targets(cluster, answer)

    async def in_doubt(self, cluster: str, *, after: int, limit: int) -> Sequence[Target]:
        """See `Journal.in_doubt`."""
        answer = await self._answered(
            lambda call: InDoubt(call=call, epoch=self._epoch, after=after, limit=limit)
        )
        return self._targets(cluster, answer)

    async def release(self, targets: Sequence[Target]) -> None:
        """See `Journal.release`."""
        ids = tuple(target.id for target in targets)
        await self._answered(lambda call: Release(call, self._epoch, ids))

    def _targets(self, cluster: str, answer: Answer) -> Sequence[Target]:
        # The first resource of each number is kept, so that the targets of all answers share it.
        self._resources = {**answer.resources, **self._resources}
        return targets_of(cluster, answer.targets, self._resources)

    async def _answered(self, make: Callable[[int], Call]) -> Answer:
        answer = await self._call(make)
        if answer.refused:
            raise ShardLostError
        return answer
