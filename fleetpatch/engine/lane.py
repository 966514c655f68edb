"""A lane: one cluster's feeder and its equal workers.

The feeder claims a chunk in one transaction before any of it is sent, and hands it out target by
target. What an earlier process left in doubt goes first, to be read before it is sent. A lane gives
back what it claimed and cannot have changed, so that only what was in flight can ever be in doubt.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from fleetpatch.engine.attempt import Deferred, RetryRecord
from fleetpatch.engine.breaker import Breaker
from fleetpatch.engine.concurrency import Eager, put
from fleetpatch.engine.retry import ClusterPatcher
from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.engine.writer import JournalWriter, Settled
from fleetpatch.model.outcome import Reason, Settlement
from fleetpatch.model.target import Target, TargetId
from fleetpatch.rules.answers.verdicts import SERVERS_OWN

_CAUSES_KEPT = 20
"""Causes of single targets that a lane remembers: one is shown, and the others are counted."""

_KEPT_BACK = 1000
"""Targets that were turned away: so many are given back together."""


class _Errand(NamedTuple):
    """A target on its way to a worker; `in_doubt`: an earlier process may have changed it."""

    target: Target
    in_doubt: bool = False


def _ignore_settled(_target: Target, _settlement: Settlement) -> None:
    """Do nothing."""


def _ignore_retried(_record: RetryRecord) -> None:
    """Do nothing."""


@dataclass(slots=True)
class Lane:
    """Brings one cluster's pending targets, up to `last`, to their ends, `concurrency` at a time.

    `causes` tells afterwards why targets were left open; it is empty where none was. `broken` tells
    that a breaker gave the cluster as a whole up, `puzzled` that single targets could not be read
    while their cluster answered others.
    `on_settled` and `on_retried` are called at each end and before each retry, before anything else
    is sent.
    """

    patcher: ClusterPatcher
    writer: JournalWriter
    concurrency: int
    last: int | None = None
    causes: set[str] = field(default_factory=set)
    on_settled: Callable[[Target, Settlement], None] = _ignore_settled
    on_retried: Callable[[RetryRecord], None] = _ignore_retried
    breaker: Breaker = field(default_factory=Breaker)
    broken: bool = False
    puzzled: bool = False
    _unanswered: bool = False
    _reached: int = 0
    _waiting: dict[TargetId, Target] = field(default_factory=dict)
    _untouched: list[Target] = field(default_factory=list)

    @property
    def cluster(self) -> str:
        """The name of the lane's cluster."""
        return self.patcher.context.cluster.name

    @property
    def _shutdown(self) -> Shutdown:
        return self.patcher.context.shutdown

    @property
    def given_up(self) -> bool:
        """Whether the cluster did not do what was left for it to do, however much that was.

        Where few targets are left, they end before a breaker can tell a cluster that is silent.
        """
        return self.broken or (self._unanswered and not self.puzzled)

    def stop(self, cause: str) -> None:
        """Send nothing new; what is in flight is brought to its end, within a bound."""
        self.causes.add(cause)
        self._shutdown.call()

    async def run(self, outbox: MemoryObjectSendStream[Settled]) -> None:
        """Work until nothing is pending or the lane is stopped; closes `outbox`, its own clone."""
        # A chunk in hand and one in the stream: the next claim is on the disk before it is needed.
        chunk = max(64, 4 * self.concurrency)
        feed, errands = anyio.create_memory_object_stream[_Errand](chunk)
        async with outbox:
            async with anyio.create_task_group() as bound:
                bound.start_soon(self._cut_off, bound.cancel_scope)
                async with anyio.create_task_group() as workers:
                    workers.start_soon(self._feed, feed, chunk)
                    for _ in range(self.concurrency):
                        workers.start_soon(self._work, errands.clone(), outbox.clone())
                    errands.close()
                bound.cancel_scope.cancel()
            self.causes.update(f"{self.cluster}: {cause}" for cause in self.breaker.causes())
            self._untouched.extend(self._waiting.values())
            self._waiting.clear()
            await self._give_back()

    async def _cut_off(self, workers: anyio.CancelScope) -> None:
        """End what a server withholds for longer than a halt may take; it stays in doubt."""
        await self._shutdown.drained()
        workers.cancel()

    async def _feed(self, feed: MemoryObjectSendStream[_Errand], chunk: int) -> None:
        async with feed:
            await self._hand_out_doubtful(feed, chunk)
            if self.patcher.context.policy.read_only:
                return
            while not self._shutdown.called:
                claimed = await self.writer.claim(self.cluster, chunk, self.last, self._reached)
                if not claimed:
                    return
                # What is given back meanwhile is for another session.
                self._reached = claimed[-1].id
                await self._hand_out(claimed, feed)
                if len(self._untouched) >= _KEPT_BACK:
                    await self._give_back()

    async def _hand_out_doubtful(self, feed: MemoryObjectSendStream[_Errand], chunk: int) -> None:
        """Hand out what was in doubt before this lane claimed anything."""
        last = 0
        while not self._shutdown.called:
            doubtful = await self.writer.in_doubt(self.cluster, last, chunk)
            if not doubtful:
                return
            for target in doubtful:
                await feed.send(_Errand(target, in_doubt=True))
            last = doubtful[-1].id

    async def _hand_out(
        self, claimed: Sequence[Target], feed: MemoryObjectSendStream[_Errand]
    ) -> None:
        self._waiting.update((target.id, target) for target in claimed)
        for target in claimed:
            if self._shutdown.called:
                return
            await put(feed, _Errand(target))

    async def _give_back(self) -> None:
        untouched, self._untouched = self._untouched, []
        if untouched:
            with anyio.CancelScope(shield=True):
                await self.writer.release(untouched)

    async def _work(
        self,
        errands: MemoryObjectReceiveStream[_Errand],
        outbox: MemoryObjectSendStream[Settled],
    ) -> None:
        async with errands, outbox:
            async for target, in_doubt in Eager(errands):
                if self._shutdown.called:
                    continue
                self._waiting.pop(target.id, None)
                if self.breaker.refuses(target):
                    if not in_doubt:
                        self._untouched.append(target)
                    continue
                ended = await self.patcher.patch(target, in_doubt=in_doubt, on_retry=self.retried)
                match ended:
                    case Deferred() as left:
                        self._leave(target, left)
                        if not left.sent:
                            self._untouched.append(target)
                    case settlement:
                        self._note(target, settlement)
                        await put(outbox, (target, settlement))

    def retried(self, record: RetryRecord) -> None:
        """Note an attempt that will be repeated; too many in a row stop the lane."""
        # The breaker comes first: the listener may stop the run, and then both causes are known.
        # Conflicts and stale credentials say nothing against the server.
        if record.verdict in SERVERS_OWN:
            now = self.patcher.context.clock.monotonic()
            if cause := self.breaker.busy(now, record.said):
                self._break(cause)
        self.on_retried(record)

    def _note(self, target: Target, settlement: Settlement) -> None:
        """Let everybody know before the next request is sent."""
        self.on_settled(target, settlement)
        if self._unanswered and settlement.reason is not Reason.EXHAUSTED:
            # It answers others: so it was a matter of those targets.
            self.puzzled = True
        if cause := self.breaker.note(target, settlement):
            self._break(cause)

    def _break(self, cause: str) -> None:
        self.broken = True
        self.stop(f"{self.cluster}: {cause}")

    def _leave(self, target: Target, left: Deferred) -> None:
        if not left.cause:
            return
        if left.lane:
            self._break(left.cause)
            return
        if left.unanswered:
            self._unanswered = True
        else:
            self.puzzled = True
        if len(self.causes) < _CAUSES_KEPT:
            self.causes.add(f"{self.cluster}: {target.namespace}/{target.name} {left.cause}")
