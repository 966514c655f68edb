"""A lane: the workers of one cluster, and the feeder that claims targets for them.

The feeder claims a chunk of targets in one transaction before any of them is sent. Targets that an
earlier process left in doubt come first, and are read before they are sent. At its end a lane
releases the claimed targets that were not sent, so that only those in flight stay in doubt.
"""

from collections.abc import Callable, Sequence
from math import inf
from typing import NamedTuple

import anyio
import msgspec
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from fleetpatch.engine.attempt import Deferred, RetryRecord
from fleetpatch.engine.breaker import Breaker
from fleetpatch.engine.concurrency import EagerReceiver, put
from fleetpatch.engine.retry import ClusterPatcher
from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.engine.writer import Ended, LaneJournal
from fleetpatch.model.callbacks import ignore
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.names import namespaced_name
from fleetpatch.model.outcome import Reason, Settlement
from fleetpatch.model.pace import Ceilings, Pace
from fleetpatch.model.target import Target, TargetId
from fleetpatch.rules.answers.verdicts import SERVER_FAULTS

_CAUSES_KEPT = 20
"""Causes of single targets that a lane keeps; the summary shows one and counts the others."""

_RELEASE_BATCH = 1000
"""Targets that the breaker refused are released in batches of this size, each with a commit."""


class _WorkItem(NamedTuple):
    """A target for a worker; `in_doubt`: an earlier process may have changed it."""

    target: Target
    in_doubt: bool = False


class Lane(msgspec.Struct):
    """Patches one cluster's open targets, up to the id `last`, `concurrency` at a time.

    After `run`, `causes` holds the reasons why targets are still open; it is empty if none is.
    `cluster_stopped`: the breaker stopped the whole cluster. `has_unreadable`: single targets could
    not be read while the cluster answered others. `on_settled` is called for each settled target,
    `on_retried` before each retry, both before anything else is sent.
    """

    patcher: ClusterPatcher
    writer: LaneJournal
    concurrency: int
    last: int | None = None
    causes: set[Cause] = msgspec.field(default_factory=set)
    on_settled: Callable[[Target, Settlement], None] = ignore
    on_retried: Callable[[RetryRecord], None] = ignore
    breaker: Breaker = msgspec.field(default_factory=Breaker)
    cluster_stopped: bool = False
    has_unreadable: bool = False
    _unanswered: bool = False
    _last_claimed: int = 0
    _queued: dict[TargetId, Target] = msgspec.field(default_factory=dict)
    _is_rest_known: bool = False
    _untouched: list[Target] = msgspec.field(default_factory=list)
    _start_worker: Callable[[], None] | None = None

    @property
    def cluster(self) -> str:
        """The name of the lane's cluster."""
        return self.patcher.context.cluster.name

    @property
    def worker(self) -> str:
        """Empty: this process sends the lane's requests."""
        return ""

    @property
    def in_flight(self) -> int:
        """The number of requests that are not answered yet."""
        return self.patcher.context.pacer.in_flight

    @property
    def pace(self) -> Pace:
        """The pace at the moment, and what limits it."""
        return self.patcher.context.pacer.pace

    @property
    def _shutdown(self) -> Shutdown:
        return self.patcher.context.shutdown

    @property
    def given_up(self) -> bool:
        """Whether targets are open because of the cluster, rather than because of single objects.

        A lane with few targets ends before the breaker opens, so a cluster that answered none of
        them is given up as well.
        """
        return self.cluster_stopped or (self._unanswered and not self.has_unreadable)

    def stop(self, cause: Cause) -> None:
        """Send nothing new; requests in flight are awaited for a bounded time."""
        self.causes.add(cause)
        self._shutdown.request()

    def set_ceilings(self, ceilings: Ceilings) -> None:
        """Follow other ceilings from now on, with the workers that they need."""
        self.patcher.context.pacer.change(ceilings)
        self.widen(ceilings.concurrency)

    def widen(self, concurrency: int) -> None:
        """Have at least so many workers, at once and in later calls of `run`.

        Fewer are never needed: the pacer limits the requests in flight.
        """
        more, self.concurrency = concurrency - self.concurrency, max(concurrency, self.concurrency)
        if self._start_worker is not None:
            for _ in range(more):
                self._start_worker()

    async def run(self, outbox: MemoryObjectSendStream[Ended]) -> None:
        """Work until no target is pending or the lane is stopped; close `outbox`, its own clone."""
        # The next chunk is claimed while one is in the stream, so that workers do not wait for the
        # disk: four targets for each worker outlast a commit. At least 64, since a commit for a few
        # targets costs as much as one for many.
        chunk = max(64, 4 * self.concurrency)
        feed, items = anyio.create_memory_object_stream[_WorkItem](chunk)
        self.patcher.context.pacer.count_left = self._count_left
        self.breaker.begin()
        async with outbox:
            async with anyio.create_task_group() as bound:
                bound.start_soon(self._cancel_after_drain, bound.cancel_scope)
                # `items` stays open until all workers are done, for those that `widen` adds.
                async with items, anyio.create_task_group() as workers:
                    workers.start_soon(self._feed, feed, chunk)

                    def start_worker() -> None:
                        workers.start_soon(self._work, items.clone(), outbox.clone())

                    self._start_worker = start_worker
                    for _ in range(self.concurrency):
                        start_worker()
                self._start_worker = None
                # All workers are done, so the task that waits for the drain time is not needed.
                bound.cancel_scope.cancel()
            # Targets whose requests were cancelled are in neither list, so they stay claimed.
            self.causes.update(
                self._here(CauseCode.PATCHES_REFUSED, cause) for cause in self.breaker.causes()
            )
            self._untouched.extend(self._queued.values())
            self._queued.clear()
            await self._release()

    async def _cancel_after_drain(self, workers: anyio.CancelScope) -> None:
        """Cancel requests that outlast the drain time; their targets stay in doubt."""
        await self._shutdown.drained()
        workers.cancel()

    async def _feed(self, feed: MemoryObjectSendStream[_WorkItem], chunk: int) -> None:
        async with feed:
            resumes = await self._enqueue_in_doubt(feed, chunk)
            if self.patcher.context.policy.read_only:
                return
            while not self._shutdown.requested:
                claimed = await self.writer.claim(
                    self.cluster, limit=chunk, last=self.last, after=self._last_claimed
                )
                # Those that were in doubt are not counted.
                self._is_rest_known = len(claimed) < chunk and self.last is None and not resumes
                if not claimed:
                    return
                # Targets that the lane releases are left to another session: this one would only
                # claim and release them again.
                self._last_claimed = claimed[-1].id
                await self._enqueue(claimed, feed)
                if len(self._untouched) >= _RELEASE_BATCH:
                    await self._release()

    def _count_left(self) -> float:
        """Return the number of targets that are not sent yet; infinite if it is not known.

        It is known when the last chunk is claimed. Other waves may follow the one with `last`.
        """
        return len(self._queued) if self._is_rest_known else inf

    async def _enqueue_in_doubt(self, feed: MemoryObjectSendStream[_WorkItem], chunk: int) -> bool:
        """Enqueue the targets in doubt before this lane claimed any; return whether there are."""
        last = 0
        while not self._shutdown.requested:
            doubtful = await self.writer.in_doubt(self.cluster, after=last, limit=chunk)
            if not doubtful:
                break
            for target in doubtful:
                await feed.send(_WorkItem(target, in_doubt=True))
            last = doubtful[-1].id
        return last > 0

    async def _enqueue(
        self, claimed: Sequence[Target], feed: MemoryObjectSendStream[_WorkItem]
    ) -> None:
        # Before the first `put`, which may be cancelled: `run` releases what is queued.
        self._queued.update((target.id, target) for target in claimed)
        for target in claimed:
            if self._shutdown.requested:
                return
            await put(feed, _WorkItem(target))

    async def _release(self) -> None:
        untouched, self._untouched = self._untouched, []
        if untouched:
            # Shielded: without the release, targets that were never sent would be in doubt.
            with anyio.CancelScope(shield=True):
                await self.writer.release(untouched)

    async def _work(
        self,
        items: MemoryObjectReceiveStream[_WorkItem],
        outbox: MemoryObjectSendStream[Ended],
    ) -> None:
        async with items, outbox:
            received, idle = EagerReceiver(items), self.patcher.context.pacer.idle_workers
            while (item := await idle.next_target(received, self._shutdown)) is not None:
                target, in_doubt = item
                # The stream is read to its end, so that the feeder is never blocked on it.
                if self._shutdown.requested:
                    continue
                self._queued.pop(target.id, None)
                if self.breaker.refuses(target):
                    # A target in doubt may have been changed and must not be released.
                    if not in_doubt:
                        self._untouched.append(target)
                    continue
                ended = await self.patcher.patch(target, in_doubt=in_doubt, on_retry=self.retried)
                match ended:
                    case Deferred() as deferred:
                        self._defer(target, deferred)
                        if not deferred.in_doubt:
                            self._untouched.append(target)
                    case settlement:
                        self._note_settled(target, settlement)
                        await put(outbox, ((target, settlement),))

    def retried(self, record: RetryRecord) -> None:
        """Count a retry; the breaker may stop the lane."""
        # The breaker comes first: the listener may stop the run, and both causes must be recorded.
        # Conflicts and stale credentials are not faults of the server.
        if record.verdict in SERVER_FAULTS:
            now = self.patcher.context.clock.monotonic()
            if cause := self.breaker.retried(now, record.reply_line):
                self._stop_cluster(CauseCode.CLUSTER_FAILING, cause)
        self.on_retried(record)

    def _note_settled(self, target: Target, settlement: Settlement) -> None:
        """Report a settled target to the listener and the breaker, before the next request."""
        self.on_settled(target, settlement)
        if self._unanswered and settlement.reason is not Reason.EXHAUSTED:
            # The cluster answers other requests, so single objects are the cause.
            self.has_unreadable = True
        if cause := self.breaker.settled(target, settlement):
            self._stop_cluster(CauseCode.CLUSTER_FAILING, cause)

    def _stop_cluster(self, code: CauseCode, text: str) -> None:
        self.cluster_stopped = True
        self.stop(self._here(code, text))

    def _here(self, code: CauseCode, text: str) -> Cause:
        return Cause(code, f"{self.cluster}: {text}")

    def _defer(self, target: Target, deferred: Deferred) -> None:
        cause = deferred.cause
        if cause is None:  # a shutdown, whose cause is recorded where it was requested
            return
        if deferred.stops_lane:
            self._stop_cluster(cause.code, cause.text)
            return
        if deferred.unanswered:
            self._unanswered = True
        else:
            self.has_unreadable = True
        if len(self.causes) < _CAUSES_KEPT:
            text = f"{namespaced_name(target.namespace, target.name)} {cause.text}"
            self.causes.add(self._here(cause.code, text))
