"""One shard on a worker: opens its cluster, and runs the lane that sends its requests."""

from collections import Counter
from collections.abc import Callable
from typing import Final

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream
from msgspec.structs import replace

from fleetpatch.campaign.fleet import reopen_fleet
from fleetpatch.campaign.running.lanes import Listeners, RunOrder, lane_of, rechecks_of
from fleetpatch.campaign.running.traces import Traces
from fleetpatch.campaign.settings import Settings
from fleetpatch.engine.attempt import RetryRecord
from fleetpatch.engine.concurrency import EagerReceiver, unwrapped_group
from fleetpatch.engine.lane import Lane
from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.engine.writer import Ended
from fleetpatch.errors import CredentialsError, FleetpatchError
from fleetpatch.kube.client import ApiServer
from fleetpatch.model.callbacks import ignore
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.outcome import Outcome, Settlement
from fleetpatch.model.pace import Pace, PaceCause
from fleetpatch.model.target import Target
from fleetpatch.model.tracing import RemoteSpan
from fleetpatch.model.traffic import NO_TRAFFIC
from fleetpatch.workers.messages import (
    Order,
    RoundEnd,
    ShardReport,
    WireFields,
    WirePace,
    WireRetry,
)
from fleetpatch.workers.remote_journal import ShardLostError
from fleetpatch.workers.send_deadline import SendDeadline
from fleetpatch.workers.wire import wire_fields, wire_retry, without_fields

_OUTBOX: Final = 1024
_UNREPORTED: Final = 4096
"""Settlements that wait for a report; the lane waits where there are more."""


class Shard:
    """Carries out the orders for one shard, until it is cancelled.

    `on_news` is called when there is something to report; `urgent` if that must not wait, since the
    coordinator may stop the run for it.
    """

    def __init__(
        self, order: Order, run: RunOrder, deadline: SendDeadline, on_news: Callable[[bool], None]
    ) -> None:
        self._order, self._run = order, run
        self._deadline, self._on_news = deadline, on_news
        self._changed = anyio.Event()
        self._shutdown = Shutdown(run.clock, deadline.may_send)
        self._lane: Lane | None = None
        self._server: ApiServer | None = None
        self._is_interrupted = False
        self._settlements: list[Settlement] = []
        self._fields: list[WireFields] = []
        self._retries: list[WireRetry] = []
        self._paces: list[tuple[WirePace, WirePace]] = []
        self._taken = anyio.Event()
        self._counted: Counter[str] = Counter()
        self._warned: Counter[str] = Counter()
        self._traffic = NO_TRAFFIC
        self._round = 0
        self._ended: RoundEnd | None = None

    def follow(self, order: Order) -> None:
        """Follow a new order for this shard."""
        former, self._order = self._order, order
        if self._lane is not None and former.ceilings != order.ceilings:
            self._lane.set_ceilings(order.ceilings)
        if order.stop or order.leave:
            self.interrupt()
        self._changed.set()

    def interrupt(self) -> None:
        """Send nothing more, and report what has ended; the shard is not finished."""
        self._is_interrupted = True
        self._shutdown.request()

    async def run(self) -> None:
        """Open the cluster, and run the lane once for each round."""
        run, cluster = self._run, self._order.cluster
        settings = Settings(request_timeout=run.request_timeout, clock=run.clock)
        try:
            # A lane's task group wraps the errors of its journal.
            with unwrapped_group():
                async with (
                    reopen_fleet(run.info, run.plan, settings, {cluster}) as (servers, _),
                    rechecks_of(run) as rechecks,
                ):
                    self._server = servers[0]
                    # Only a coordinator has reports.
                    listeners = Listeners(self._settled, ignore, self._retried, self._paced)
                    self._lane = lane_of(
                        replace(run, traces=self._traces()),
                        servers[0],
                        self._shutdown,
                        self._order.ceilings,
                        listeners,
                        rechecks,
                    )
                    while True:
                        await self._run_round(self._lane)
        except ShardLostError:
            return
        except FleetpatchError as error:
            refused = isinstance(error, CredentialsError)
            code = CauseCode.CREDENTIALS_REFUSED if refused else CauseCode.CLUSTER_FAILING
            cause = Cause(code, f"{cluster}: {error}")
            self._end(RoundEnd((cause,), given_up=True, is_stopped=True))

    async def _run_round(self, lane: Lane) -> None:
        while self._round == self._order.round:
            self._changed = anyio.Event()
            await self._changed.wait()
        self._round, self._ended = self._order.round, None
        lane.last = self._order.last
        outbox, inbox = anyio.create_memory_object_stream[Ended](_OUTBOX)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._gather, inbox)
            await lane.run(outbox)
        # A lane that its breaker stopped is not continued, whatever else was asked of it.
        unfinished = self._is_interrupted and not lane.cluster_stopped
        self._end(
            RoundEnd(
                tuple(lane.causes),
                given_up=lane.given_up,
                has_unreadable=lane.has_unreadable,
                is_stopped=self._shutdown.requested,
                unfinished=unfinished,
            )
        )

    def _traces(self) -> Traces:
        """Let PATCHes join the trace of the coordinator; a worker has no spans of its own."""
        traced = bool(self._order.traceparent)
        return Traces(RemoteSpan(lambda: self._order.traceparent)) if traced else Traces()

    def _end(self, ended: RoundEnd) -> None:
        self._round, self._ended = self._order.round, ended
        self._on_news(True)

    async def _gather(self, inbox: MemoryObjectReceiveStream[Ended]) -> None:
        async with inbox:
            async for ended in EagerReceiver(inbox):
                for _, settlement in ended:
                    self._note_settled(settlement)
                while len(self._settlements) >= _UNREPORTED:
                    self._taken = anyio.Event()
                    await self._taken.wait()

    def _note_settled(self, settlement: Settlement) -> None:
        fields = wire_fields(settlement)
        if fields is None:
            self._settlements.append(settlement)
        else:
            self._settlements.append(without_fields(settlement))
            self._fields.append(fields)
        self._on_news(settlement.outcome is Outcome.FAILED)

    def _settled(self, _target: Target, _settlement: Settlement) -> None:
        """Do nothing: the settlement is reported when the lane passes it on."""

    def _retried(self, record: RetryRecord) -> None:
        self._retries.append(wire_retry(record))
        self._on_news(True)

    def _paced(self, _cluster: str, old: Pace, new: Pace) -> None:
        now = self._run.clock.monotonic()
        self._paces.append((WirePace.of(old, now), WirePace.of(new, now)))

    def report(self) -> ShardReport:
        """Return what is new since the last call."""
        lane = self._lane
        nothing = Pace(self._order.ceilings.concurrency, self._order.ceilings.rate, PaceCause.WORK)
        requests = Counter(self._server.requests) if self._server else Counter[str]()
        warned = Counter(self._server.warnings.counts) if self._server else Counter[str]()
        traffic = self._server.traffic if self._server else NO_TRAFFIC
        report = ShardReport(
            self._order.epoch,
            self._round,
            lane.in_flight if lane else 0,
            WirePace.of(lane.pace if lane else nothing, self._run.clock.monotonic()),
            self._settlements,
            self._fields,
            self._retries,
            self._paces,
            requests - self._counted,
            warned - self._warned,
            self._ended,
            traffic - self._traffic,
        )
        self._counted, self._warned, self._traffic = requests, warned, traffic
        self._settlements, self._fields, self._retries, self._paces = [], [], [], []
        self._taken.set()
        return report
