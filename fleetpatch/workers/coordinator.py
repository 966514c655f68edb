"""The coordinator: gives shards to workers, extends their send deadlines, notices their silence.

The answer to a report says for how long a worker may send. The worker counts from when it sent the
report; the coordinator counts from its answer, which is later. So a worker that hears nothing stops
before the coordinator gives its shards to another one. A worker loses its shards when its deadline
has passed and it was silent for `timeout` seconds, or its connection is closed. What it has in
flight then is harmless, by the guards that every PATCH carries.
"""

import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import anyio
import anyio.abc
import msgspec

from fleetpatch.campaign.running.former_workers import MAX_SEND_PERIOD
from fleetpatch.campaign.settings import Stop
from fleetpatch.engine import events
from fleetpatch.errors import UnreachableError
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.ports import Clock, Events
from fleetpatch.workers.channel import Channel, DisconnectedError
from fleetpatch.workers.members import Asked, Worker
from fleetpatch.workers.messages import (
    Answer,
    Checked,
    Claim,
    Dismissed,
    Epoch,
    FromCoordinator,
    FromWorker,
    Hello,
    InDoubt,
    Orders,
    Release,
    Welcome,
    Work,
    WorkerReport,
    decode_from_worker,
    encode,
)
from fleetpatch.workers.questions import Ask, Question, ReadResult
from fleetpatch.workers.remote_lane import RemoteLane

WITHOUT_WORKERS: Final = 60.0
"""Seconds without any worker after which the run is paused."""
NO_WORKER: Final = f"there was no worker for {WITHOUT_WORKERS:.0f} s"

_POLL_INTERVAL: Final = 0.25
"""Seconds between two looks for silent and for idle workers."""

_WORTH_MOVING: Final = 500
"""Open targets of a shard that is moved to an idle worker, at least."""

_GREETING: Final = 10.0
"""Seconds within which a connection must say which worker it is of."""


class Coordinator:
    """Serves the workers of one session. `limits` return for how many seconds requests may be sent.

    `timeout` is in seconds. `run` must be running while connections are served.
    """

    def __init__(self, work: Work, timeout: float, clock: Clock, log: Events, stop: Stop) -> None:
        self.session = secrets.token_hex(16)
        self.workers: dict[str, Worker] = {}
        self.lanes: list[RemoteLane] = []
        self.limits: Sequence[Callable[[], float]] = ()
        self._work, self._timeout = work, timeout
        self._clock, self._log, self._stop = clock, log, stop
        # A third, so that a worker notices that it may not send before it loses its shards.
        self._send_period = min(MAX_SEND_PERIOD, timeout / 3)
        self._shards: dict[Epoch, tuple[RemoteLane, Worker]] = {}
        self._epoch = self._asked = 0
        self._readers: dict[str, Worker] = {}
        self._tasks: anyio.abc.TaskGroup | None = None
        self._lost: set[str] = set()
        self._looked = anyio.Event()
        self._without_since = self._clock.monotonic()

    async def run(self, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        """Serve until cancelled. Raises RunFileError."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            task_status.started()
            while True:
                self._look()
                await self._clock.sleep(_POLL_INTERVAL)

    def serve(self, channel: Channel) -> None:
        """Serve a connection of a worker until it is closed."""
        if self._tasks is None:
            channel.close()
        else:
            self._tasks.start_soon(self._serve, channel)

    async def looked(self) -> None:
        """Wait until something of a worker has changed."""
        await self._looked.wait()

    async def dismiss(self) -> None:
        """End the session for all workers, at the same time: one may be suspended."""
        self._tasks = None
        async with anyio.create_task_group() as goodbyes:
            for worker in self.workers.values():
                goodbyes.start_soon(self._dismiss, worker)

    async def _dismiss(self, worker: Worker) -> None:
        await self._send(worker, Dismissed(ended=True))
        if worker.channel is not None:
            worker.channel.close()

    @property
    def is_stopped(self) -> bool:
        """Whether nothing more is to be sent."""
        return bool(self.lanes) and all(lane.stopped_at is not None for lane in self.lanes)

    def add(self, lane: RemoteLane) -> None:
        """Take a lane, which `changed` may give to a worker."""
        self.lanes.append(lane)

    def changed(self, lane: RemoteLane) -> None:
        """Give a lane to a worker, or tell its worker what to do now."""
        owner = self._shards.get(lane.epoch)
        if owner is None:
            if lane.is_running and lane.stopped_at is not None:
                lane.end()
            self._forget(lane)
            self._spread()
        else:
            self._order_soon(owner[1])

    async def ask(self, cluster: str, question: Question) -> ReadResult:
        """Ask a worker about a cluster, the same one as long as it lives.

        Raises UnreachableError if there is no worker for a minute.
        """
        while True:
            worker = await self._reader_of(cluster)
            self._asked += 1
            asked = worker.asks[self._asked] = Asked(Ask(self._asked, cluster, question))
            await self._send(worker, asked.ask)
            await asked.done.wait()
            if asked.result is not None:
                return asked.result

    async def _reader_of(self, cluster: str) -> Worker:
        with anyio.move_on_after(WITHOUT_WORKERS):
            while True:
                ready = [worker for worker in self.workers.values() if worker.is_ready]
                known = self._readers.get(cluster)
                if known in ready:
                    return known
                # Otherwise it connects again soon, or is lost.
                if ready and known not in self.workers.values():
                    counts = Counter(one.agent for one in self._readers.values())
                    found = min(ready, key=lambda one: counts[one.agent])
                    self._readers[cluster] = found
                    return found
                await self.looked()
        raise UnreachableError(f"{NO_WORKER}; nothing was sent: look at the Dask cluster")

    # Connections

    async def _serve(self, channel: Channel) -> None:
        worker: Worker | None = None
        try:
            with anyio.fail_after(_GREETING):
                worker = await self._greet(channel)
            while worker is not None:
                await self._take(worker, decode_from_worker(await channel.receive()))
        except (DisconnectedError, TimeoutError, msgspec.MsgspecError):
            pass
        finally:
            channel.close()
            if worker is not None and worker.channel is channel:
                worker.channel = None
                self._note_change()

    async def _greet(self, channel: Channel) -> Worker | None:
        hello = decode_from_worker(await channel.receive())
        if not isinstance(hello, Hello) or hello.session != self.session:
            await channel.send(encode(Dismissed(ended=True)))
            return None
        if hello.agent in self._lost:
            await channel.send(encode(Dismissed(ended=False)))
            return None
        worker = self.workers.get(hello.agent)
        if worker is None:
            worker = self.workers[hello.agent] = Worker(hello, self._clock.monotonic())
        former, worker.channel = worker.channel, channel
        if former is not None:
            former.close()
        await channel.send(encode(Welcome(self._work)))
        # Their answers may have been lost with the former connection.
        for asked in list(worker.asks.values()):
            await channel.send(encode(asked.ask))
        return worker

    async def _take(self, worker: Worker, message: FromWorker) -> None:
        worker.heard_at = self._clock.monotonic()
        match message:
            case Claim() | InDoubt() | Release() if self._tasks is not None:
                self._tasks.start_soon(self._answer, worker, message)
            case WorkerReport():
                await self._take_report(worker, message)
            case ReadResult():
                asked = worker.asks.pop(message.number, None)
                if asked is not None:
                    asked.result = message
                    asked.done.set()
            case Checked():
                worker.checked = message
                self._note_change()
                self._spread()

    async def _take_report(self, worker: Worker, report: WorkerReport) -> None:
        # Before its settlements, which may wait for the disk: the deadline counts from its sending.
        worker.answers = report.sent
        if report.sequence > worker.taken:
            worker.taken = report.sequence
            for one in report.shards:
                lane, owner = self._shards.get(one.epoch, (None, None))
                if lane is not None and owner is worker:
                    await lane.take(one)
        await self._send_orders(worker)

    async def _answer(self, worker: Worker, call: Claim | InDoubt | Release) -> None:
        lane, owner = self._shards.get(call.epoch, (None, None))
        if lane is None or owner is not worker:
            await self._send(worker, Answer(call.call, refused=True))
            return
        await self._send(worker, await lane.answer(call))

    async def _send_orders(self, worker: Worker) -> None:
        worker.is_ordered = False
        if worker.agent in self._lost:
            await self._send(worker, Dismissed(ended=False))
            return
        may_send_for = self._may_send_for()
        now = self._clock.monotonic()
        worker.may_send_until = max(worker.may_send_until, now + may_send_for)
        orders = tuple(lane.order for lane in worker.lanes)
        await self._send(worker, Orders(worker.answers, worker.taken, may_send_for, orders))

    def _order_soon(self, worker: Worker) -> None:
        # Once for all that changes in this moment.
        if self._tasks is not None and not worker.is_ordered:
            worker.is_ordered = True
            self._tasks.start_soon(self._send_orders, worker)

    async def _send(self, worker: Worker, message: FromCoordinator) -> None:
        # It may be another one, or none, after the send.
        channel = worker.channel
        if channel is None:
            return
        try:
            await channel.send(encode(message))
        except DisconnectedError:
            # The worker connects again, and repeats what has no answer.
            channel.close()

    def _may_send_for(self) -> float:
        if self.is_stopped:
            return 0.0
        return max(0.0, min([self._send_period, *(left() for left in self.limits)]))

    # Shards

    def _spread(self) -> None:
        """Give each lane without a worker to the one with the least work, the largest first."""
        ready = [worker for worker in self.workers.values() if worker.is_ready]
        if not ready:
            return
        waiting = [lane for lane in self.lanes if lane.is_running and not lane.epoch]
        for lane in sorted(waiting, key=lambda one: (-one.weight, one.cluster)):
            worker = min(ready, key=lambda one: (one.load, len(one.lanes)))
            self._epoch += 1
            lane.begin(self._epoch, worker.name)
            self._shards[self._epoch] = lane, worker
            worker.lanes.append(lane)
            events.shard_started(self._log, lane.cluster, worker=worker.name)
            self._order_soon(worker)

    def _forget(self, lane: RemoteLane) -> None:
        """Take a lane from its worker, if it has one."""
        for epoch, (one, worker) in list(self._shards.items()):
            if one is lane:
                del self._shards[epoch]
                worker.lanes.remove(lane)
                self._order_soon(worker)

    def _look(self) -> None:
        now = self._clock.monotonic()
        for worker in list(self.workers.values()):
            silent = now - worker.heard_at
            is_silent = worker.channel is None or silent >= self._timeout
            if now >= worker.may_send_until and is_silent:
                self._lose(worker, silent)
        for lane in self.lanes:
            lane_of = self._shards.get(lane.epoch)
            may_send_until = lane_of[1].may_send_until if lane_of else now
            if lane.is_running and now >= max(lane.give_up_at(), may_send_until):
                self._forget(lane)
                lane.end()
        self._relieve()
        self._require_workers(now)

    def _lose(self, worker: Worker, silent: float) -> None:
        """Take all shards from a worker that is silent or gone."""
        self._lost.add(worker.agent)
        del self.workers[worker.agent]
        how = "its connection was closed" if worker.channel is None else "it is silent"
        for asked in worker.asks.values():
            asked.done.set()
        running = worker.running
        events.worker_lost(
            self._log,
            worker.name,
            detail=f"{how}; last heard {silent:.1f} s ago",
            clusters=len(running),
        )
        if worker.channel is not None:
            worker.channel.close()
        for lane in list(worker.lanes):
            self._forget(lane)
            lane.begin(0)
            self.changed(lane)
        self._note_change()

    def _relieve(self) -> None:
        """Let idle workers continue shards of the one with the most work, up to half of it."""
        ready = [worker for worker in self.workers.values() if worker.is_ready]
        idle = [worker for worker in ready if not worker.running]
        if not idle or any(lane.is_leaving for lane in self.lanes):
            return
        busy = max(ready, key=lambda one: one.load)
        left = busy.load / 2
        # One shard cannot be divided, and its worker keeps the largest. All others stay as they
        # are: what is in flight of a shard that moves is awaited first.
        for lane in sorted(busy.running, key=lambda one: -one.weight)[1:]:
            if _WORTH_MOVING <= lane.weight <= left:
                left -= lane.weight
                lane.is_leaving = True
                self._order_soon(busy)

    def _require_workers(self, now: float) -> None:
        if any(worker.is_ready for worker in self.workers.values()):
            self._without_since = now
        elif now - self._without_since >= WITHOUT_WORKERS and not self.is_stopped:
            text = f"{NO_WORKER}; look at the Dask cluster"
            self._stop.request(Cause(CauseCode.WORKERS_LOST, text))

    def _note_change(self) -> None:
        self._looked.set()
        self._looked = anyio.Event()
