"""A lane whose requests a worker sends: the coordinator's part of a shard.

It serves the calls of the worker's lane to the run file, and takes its settlements. What it has
given to the worker of one epoch and has no outcome yet is *handed out*. When the shard gets another
worker nothing is handed out any more, so that what the former worker still reports is ignored; the
run file has those targets as in doubt, and the next worker reads them first.
"""

from collections.abc import Callable, Sequence
from typing import Final

import anyio
import msgspec
from anyio.streams.memory import MemoryObjectSendStream

from fleetpatch.campaign.running.lanes import Listeners
from fleetpatch.campaign.running.target_rows import RowJournal
from fleetpatch.campaign.running.traces import Traces
from fleetpatch.engine.concurrency import put
from fleetpatch.engine.shutdown import DRAIN
from fleetpatch.engine.writer import Ended
from fleetpatch.journal.rows import TargetRow
from fleetpatch.kube.http.server_warnings import ServerWarnings
from fleetpatch.model.answer import add_warnings
from fleetpatch.model.cause import Cause
from fleetpatch.model.pace import Ceilings, Pace, PaceCause
from fleetpatch.model.ports import Clock
from fleetpatch.model.run import ClusterInfo
from fleetpatch.model.traffic import NO_TRAFFIC
from fleetpatch.workers.messages import (
    Answer,
    Claim,
    Epoch,
    FoundCluster,
    InDoubt,
    Order,
    Release,
    RoundEnd,
    ShardReport,
)
from fleetpatch.workers.wire import answer_of, retry_of, targets_of, with_fields

_TOGETHER: Final = 64
"""Outcomes that are passed on together, at most: the stream has room for a number of groups."""

_GRACE_PERIOD: Final = 2.0
"""Seconds after `DRAIN` in which a worker that was stopped reports its last outcomes."""


class RemoteRunCluster:
    """A cluster whose requests workers send; implements `campaign.running.lanes.RunCluster`."""

    def __init__(self, info: ClusterInfo, found: FoundCluster) -> None:
        self.name, self.server = info.name, info.server
        self.insecure = found.insecure
        self.kubeconfig_warnings: Sequence[str] = found.warnings
        self.requests = {"patch": 0, "get": 0, "list": 0}
        self.warnings = ServerWarnings()
        self.traffic = NO_TRAFFIC

    def add(self, report: ShardReport) -> None:
        """Count what a worker has sent, and what the server has warned of."""
        for verb, count in report.requests.items():
            self.requests[verb] = self.requests.get(verb, 0) + count
        self.traffic += report.traffic
        for text, count in report.warnings.items():
            is_new = text not in self.warnings.counts
            self.warnings.counts = add_warnings(self.warnings.counts, {text: count})
            if is_new and text in self.warnings.counts:
                self.warnings.on_new(text)


class EndedTarget(msgspec.Struct, frozen=True, gc=False):
    """Implements `TargetIdentity` for a target that was handed out and has ended."""

    cluster: str
    kind: str
    namespace: str
    name: str
    uid: str


class RemoteLane:
    """Implements `RunLane`. `on_change` is called when its worker has something else to do.

    `weight` is the number of targets that are still open, for the spreading over workers.
    """

    def __init__(
        self,
        cluster: RemoteRunCluster,
        journal: RowJournal,
        listeners: Listeners,
        ceilings: Ceilings,
        clock: Clock,
        weight: int,
        on_change: Callable[["RemoteLane"], None],
        traces: Traces | None = None,
    ) -> None:
        self._cluster = cluster
        self.weight = weight
        self.last: int | None = None
        self.causes: set[Cause] = set()
        self.has_unreadable = False
        self.given_up = False
        self.in_flight = 0
        self.pace = Pace(ceilings.concurrency, ceilings.rate, PaceCause.WORK)
        self.epoch: Epoch = 0
        self.worker = ""
        self.is_leaving = False
        self.stopped_at: float | None = None
        self._journal, self._listeners, self._clock = journal, listeners, clock
        self._ceilings = ceilings
        self._on_change = on_change
        self._traces = traces or Traces()
        self._round = 0
        self._is_stopped = False
        self._outbox: MemoryObjectSendStream[Ended] | None = None
        self._over = anyio.Event()
        # Calls of one shard are served one after another: what an old epoch has begun ends before
        # the next epoch reads what is in doubt.
        self._serving = anyio.Lock()
        self._handed_out: dict[int, TargetRow] = {}
        self._last_claim: tuple[int, Sequence[TargetRow]] | None = None
        self._kinds = {number: one.name for number, one in journal.resources.items()}
        self._unrecorded = 0
        self._all_recorded = anyio.Event()

    @property
    def cluster(self) -> str:
        """The name of the lane's cluster."""
        return self._cluster.name

    @property
    def is_running(self) -> bool:
        """Whether a round is under way."""
        return self._outbox is not None

    @property
    def order(self) -> Order:
        """What the worker has to do."""
        return Order(
            self.cluster,
            self.epoch,
            self._round,
            self.last,
            self._ceilings,
            stop=self.stopped_at is not None,
            leave=self.is_leaving,
            traceparent=self._traces.of(self.cluster).traceparent(sampled=True),
        )

    def set_ceilings(self, ceilings: Ceilings) -> None:
        """Follow other ceilings from now on."""
        self._ceilings = ceilings
        self._on_change(self)

    def stop(self, cause: Cause) -> None:
        """Send nothing new; requests in flight are awaited for a bounded time."""
        self.causes.add(cause)
        if self.stopped_at is None:
            self.stopped_at = self._clock.monotonic()
            self._is_stopped = True
            self._on_change(self)

    async def run(self, outbox: MemoryObjectSendStream[Ended]) -> None:
        """Have a worker work until no target is pending or the lane is stopped."""
        async with outbox:
            if self._is_stopped:
                return
            self._round += 1
            self._outbox, self._over = outbox, anyio.Event()
            self._on_change(self)
            try:
                await self._over.wait()
            finally:
                self._outbox = None
                self.in_flight = 0

    def recorded(self, count: int) -> None:
        """The run file has `count` more outcomes of this lane."""
        self._unrecorded -= count
        if not self._unrecorded:
            self._all_recorded.set()

    # For the coordinator

    def begin(self, epoch: Epoch, worker: str = "") -> None:
        """Begin an epoch, at the worker with this name: the calls of earlier ones are void."""
        self.epoch, self.worker, self.is_leaving = epoch, worker, False
        self._handed_out.clear()
        self._last_claim = None
        self.in_flight = 0

    def give_up_at(self) -> float:
        """Return when a lane that was stopped ends, even if its worker has not reported that."""
        return float("inf") if self.stopped_at is None else self.stopped_at + DRAIN + _GRACE_PERIOD

    def end(self) -> None:
        """End the round; what was handed out stays in doubt."""
        self.begin(0)
        self._over.set()

    async def answer(self, call: Claim | InDoubt | Release) -> Answer:
        """Serve a call of the worker. Raises RunFileError."""
        async with self._serving:
            if call.epoch != self.epoch:
                return Answer(call.call, refused=True)
            match call:
                case Claim():
                    return await self._claim(call)
                case InDoubt():
                    return await self._in_doubt(call)
                case Release():
                    ids = [one for one in call.targets if self._handed_out.pop(one, None)]
                    await self._journal.release(self.cluster, ids)
                    return Answer(call.call)

    async def take(self, report: ShardReport) -> None:
        """Take what the worker reports, in the order in which it happened."""
        if report.epoch != self.epoch:
            return
        self._cluster.add(report)
        now = self._clock.monotonic()
        self.in_flight, self.pace = report.in_flight, report.pace.pace(now)
        for old, new in report.paces:
            self._listeners.paced(self.cluster, old.pace(now), new.pace(now))
        for retry in report.retries:
            if row := self._handed_out.get(retry.target):
                (target,) = targets_of(self.cluster, [row], self._journal.resources)
                self._listeners.retried(retry_of(retry, target))
        await self._take_ended(report)
        if report.ended is not None and report.round == self._round and self.is_running:
            self._take_end(report.ended, report.epoch)

    async def _take_ended(self, report: ShardReport) -> None:
        if self._outbox is None:
            return
        fields = {one.target: one for one in report.fields}
        # A report that was sent twice, or a target of an earlier epoch, has nothing handed out.
        cluster, kinds, handed_out = self._cluster.name, self._kinds, self._handed_out
        ended = [
            (
                EndedTarget(cluster, kinds[row.resource], row.namespace, row.name, row.uid),
                with_fields(one, fields.get(one.target)) if fields else one,
            )
            for one in report.settlements
            if (row := handed_out.pop(one.target, None)) is not None
        ]
        self.weight -= len(ended)
        self._unrecorded += len(ended)
        # All are counted before the coordinator answers, and so before anything more is sent.
        self._listeners.reported(ended)
        for number in range(0, len(ended), _TOGETHER):
            # While it waits the lane may be given up, with the outcomes that are left in doubt.
            if self._outbox is not None:
                await put(self._outbox, ended[number : number + _TOGETHER])

    def _take_end(self, ended: RoundEnd, epoch: Epoch) -> None:
        if epoch != self.epoch:
            return
        self.causes.update(ended.causes)
        self.given_up, self.has_unreadable = ended.given_up, ended.has_unreadable
        if ended.unfinished and not self._is_stopped:
            # Another worker continues, or this one when it is heard again.
            self.begin(0)
            self._on_change(self)
            return
        self._is_stopped = self._is_stopped or ended.is_stopped
        self._over.set()

    async def _claim(self, call: Claim) -> Answer:
        if not self.is_running or self._is_stopped or self.is_leaving:
            return Answer(call.call)
        if self._last_claim is not None and self._last_claim[0] == call.after:
            # The answer to this claim was lost: a lane claims above the last target that it has.
            return self._answer_of(call, self._last_claim[1])
        claimed = await self._journal.claim(
            self.cluster, limit=call.limit, last=call.last, after=call.after
        )
        if call.epoch != self.epoch:
            # The shard has another worker since, and nothing was sent for these targets.
            await self._journal.release(self.cluster, [one.id for one in claimed])
            return Answer(call.call, refused=True)
        # Without targets the next claim of the lane, in the next wave, is for the same ones.
        self._last_claim = (call.after, claimed) if claimed else None
        return self._hand_out(call, claimed)

    async def _in_doubt(self, call: InDoubt) -> Answer:
        # Outcomes that the former worker has reported may be on their way to the run file.
        while self._unrecorded:
            self._all_recorded = anyio.Event()
            await self._all_recorded.wait()
        before = set(self._handed_out)
        doubtful = await self._journal.in_doubt(self.cluster, after=call.after, limit=call.limit)
        if call.epoch != self.epoch:
            return Answer(call.call, refused=True)
        # Where the call arrives a second time the worker may have reported some of them meanwhile.
        ended = before - self._handed_out.keys()
        return self._hand_out(call, [one for one in doubtful if one.id not in ended])

    def _hand_out(self, call: Claim | InDoubt, targets: Sequence[TargetRow]) -> Answer:
        self._handed_out.update({one.id: one for one in targets})
        return self._answer_of(call, targets)

    def _answer_of(self, call: Claim | InDoubt, targets: Sequence[TargetRow]) -> Answer:
        return answer_of(call.call, targets, self._journal.resources)
