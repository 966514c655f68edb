"""Holds a Lease while a run is carried out, so that only one process sends.

::

    sent        renewed at     may send until         others may take over from
     |--------------|---------------|-------------------------|
     0          duration/3     duration*2/3          duration after they saw it change

The holder measures these times on its own monotonic clock, from the moment before it sent the last
write that the server confirmed. Others start to count when they see that write, which is later. So
a holder that cannot renew stops before another process takes over, whatever the wall clocks of the
machines say. The last third is for requests that are still in flight.

`holds` compares the clock with the deadline whenever it is called, right before each PATCH. A timer
would not be safe: in a process that was suspended, a PATCH could be sent before the timer runs.

A process that finds the Lease held watches it. If the record does not change for the duration that
it names, its holder is dead, and the Lease is taken over. If it changes, the holder is alive.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from math import inf
from typing import Final, NamedTuple

import anyio
import msgspec
from msgspec.structs import replace

from fleetpatch.engine import events
from fleetpatch.engine.concurrency import unwrapped_group
from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.errors import ClusterError, Locked
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.lease import (
    MAX_DURATION,
    Lease,
    LeaseMiss,
    LeaseRecord,
    LeaseReply,
    LeaseTrouble,
)
from fleetpatch.model.ports import Clock, Events, Leases

_MAX_TROUBLES: Final = 10
"""Requests without a usable answer after which `acquire` fails: 20 s with the default duration."""

_RELEASE_TIMEOUT: Final = 1.0
"""Seconds that the release may take, since an interrupted run must end soon."""

_SUSPENDED: Final = "this process was suspended"


class LeaseConfig(msgspec.Struct, frozen=True):
    """The Lease to hold: its name for messages, the identity of this process, a duration.

    `duration` is in whole seconds. The periods have the names of client-go's leader election.
    """

    lease: str
    holder: str
    duration: int = 30

    @property
    def renew_period(self) -> float:
        """Seconds between two renewals."""
        return self.duration / 3

    @property
    def renew_deadline(self) -> float:
        """Seconds without a renewal after which nothing may be sent."""
        return self.duration * 2 / 3

    @property
    def retry_period(self) -> float:
        """Seconds between two attempts to renew, or between two reads of another's Lease."""
        return self.duration / 15

    @property
    def request_timeout(self) -> float:
        """Seconds that one request may take."""
        return self.duration / 6


class _Watch(NamedTuple):
    """The record of a Lease when it was first read (None: no Lease), and the time of that read."""

    record: LeaseRecord | None
    since: float


class LeaseHolder:
    """Holds one Lease: `acquire` it, work within `renewing`, and ask `holds` before each PATCH.

    `on_lost` is called once, with the cause, when nothing may be sent any more.
    `shutdown` ends the wait for a Lease that another process holds.
    """

    def __init__(
        self,
        config: LeaseConfig,
        leases: Leases,
        clock: Clock,
        log: Events,
        shutdown: Shutdown,
        on_lost: Callable[[Cause], None],
    ) -> None:
        self._config = config
        self._leases = leases
        self._clock = clock
        self._log = log
        self._shutdown = shutdown
        self._on_lost = on_lost
        self._lease = Lease(LeaseRecord(), "")
        self._sent_at = -inf
        self._renew_at = -inf
        self._held = False
        self._troubles = 0
        self._trouble = _SUSPENDED

    def holds(self) -> bool:
        """Return whether this process may send now. A Lease that was lost is not acquired again."""
        if self._held and self._clock.monotonic() >= self._deadline:
            self._lose(f"was not renewed in time: {self._trouble}")
        return self._held

    def left(self) -> float:
        """Return for how many seconds this process may send, if nothing is renewed meanwhile."""
        return self._deadline - self._clock.monotonic() if self.holds() else 0.0

    async def acquire(self) -> bool:
        """Acquire the Lease, after a wait if its holder is dead; False if a stop was requested.

        Raises Locked if its holder is alive, and ClusterError if the server does not answer.
        """
        watch: _Watch | None = None
        while not self._shutdown.requested:
            # From before the request: the record was unchanged at least until then.
            asked_at = self._clock.monotonic()
            found = await self._request(self._leases.read)
            if isinstance(found, LeaseTrouble):
                self._count_trouble(found)
            else:
                lease = found if isinstance(found, Lease) else None
                watch = self._observe(lease, watch)
                if self._is_free(lease, asked_at - watch.since):
                    taken = await self._try_acquire(lease)
                    if isinstance(taken, Lease):
                        return True
                    if isinstance(taken, LeaseTrouble):
                        self._count_trouble(taken)
                    # A conflict: another process was faster. Read the Lease again.
            await self._shutdown.sleep(self._config.retry_period)
        return False

    @asynccontextmanager
    async def renewing(self) -> AsyncIterator[None]:
        """Renew the Lease while the block runs, and release it at its end."""
        try:
            with unwrapped_group():
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._keep_renewing)
                    yield
                    tasks.cancel_scope.cancel()
        finally:
            # Shielded: after a cancellation, too, the next process should not have to wait.
            with anyio.CancelScope(shield=True):
                await self._release()

    @property
    def _deadline(self) -> float:
        return self._sent_at + self._config.renew_deadline

    def _observe(self, lease: Lease | None, watch: _Watch | None) -> _Watch:
        """Compare with the first record. Raises Locked if another process has changed it since."""
        record = lease.record if lease else None
        if watch is None:
            watch = _Watch(record, self._clock.monotonic())
            if record and record.holder:
                events.lease_awaited(
                    self._log, self._config.lease, holder=record.holder, since=record.acquired
                )
                # The holder counts as alive: a watch of that length would delay the run too long.
                if record.seconds > MAX_DURATION:
                    raise self._locked(record)
        # Our own record may appear here: the answer to a write of ours was lost.
        elif record != watch.record and not self._is_ours(record):
            raise self._locked(record if record and record.holder else watch.record)
        return watch

    def _is_free(self, lease: Lease | None, watched: float) -> bool:
        if lease is None or not lease.record.holder or self._is_ours(lease.record):
            return True
        return watched >= (lease.record.seconds or self._config.duration)

    def _is_ours(self, record: LeaseRecord | None) -> bool:
        return record is not None and record.holder == self._config.holder

    def _locked(self, record: LeaseRecord | None) -> Locked:
        holder = (record and record.holder) or "another process"
        since = f" (since {record.acquired})" if record and record.acquired else ""
        return Locked(
            f"lease {self._config.lease}: {holder} holds it{since}; wait until its run ends"
        )

    def _count_trouble(self, trouble: LeaseTrouble) -> None:
        self._troubles += 1
        if not trouble.passing or self._troubles >= _MAX_TROUBLES:
            raise ClusterError(f"lease {self._config.lease}: cannot be acquired: {trouble.detail}")

    async def _try_acquire(self, found: Lease | None) -> LeaseReply:
        # From before the request: others count from when they see the write, which is later.
        now, sent_at = self._micro_time(), self._clock.monotonic()
        record = LeaseRecord(self._config.holder, self._config.duration, now, now)
        if found is None:
            reply = await self._request(partial(self._leases.create, record))
        else:
            record = replace(record, transitions=found.record.transitions + 1)
            reply = await self._request(partial(self._leases.update, record, found.version))
        if isinstance(reply, Lease):
            self._note_renewal(reply, sent_at)
            self._held = True
            former = found.record.holder if found else ""
            events.lease_acquired(
                self._log, self._config.lease, holder=self._config.holder, former=former
            )
        return reply

    async def _keep_renewing(self) -> None:
        while self.holds():
            # `holds` again after the sleep, because the process may have been suspended during it.
            await self._clock.sleep(min(self._renew_at, self._deadline) - self._clock.monotonic())
            if self.holds():
                await self._renew()

    async def _renew(self) -> None:
        sent_at = self._clock.monotonic()
        record = replace(self._lease.record, renewed=self._micro_time())
        reply = await self._write(record, self._deadline)
        match reply:
            case Lease() if self._is_ours(reply.record):
                self._note_renewal(reply, sent_at)
            case Lease():
                self._lose(f"was taken over by {reply.record.holder or 'another process'}")
            case LeaseMiss.ABSENT:
                self._lose("was deleted")
            # `_write` found it ours and tried again, so the writer may only change labels.
            case LeaseMiss.CONFLICT:
                self._retry_later("another process keeps writing it")
            case LeaseTrouble():
                self._retry_later(reply.detail)

    def _retry_later(self, trouble: str) -> None:
        self._trouble = trouble
        self._renew_at = self._clock.monotonic() + self._config.retry_period
        events.lease_not_renewed(self._log, self._config.lease, trouble)

    async def _release(self) -> None:
        """Release the Lease, unless it is lost. If the request fails, the Lease expires."""
        if not self.holds():
            return
        self._held = False
        record = replace(self._lease.record, holder="", renewed=self._micro_time())
        reply = await self._write(record, self._clock.monotonic() + _RELEASE_TIMEOUT)
        if isinstance(reply, Lease) and not reply.record.holder:
            events.lease_released(self._log, self._config.lease)

    async def _write(self, record: LeaseRecord, until: float) -> LeaseReply:
        """Write our Lease; if it is no longer ours, return what it is now."""
        write = partial(self._leases.update, record, self._lease.version)
        reply = await self._request(write, until)
        if reply is not LeaseMiss.CONFLICT:
            return reply
        # It may still be ours: the answer to our last write was lost, or a person labelled it.
        found = await self._request(self._leases.read, until)
        if not isinstance(found, Lease) or not self._is_ours(found.record):
            return found
        self._lease = found
        return await self._request(partial(self._leases.update, record, found.version), until)

    async def _request(
        self, request: Callable[[], Awaitable[LeaseReply]], until: float = inf
    ) -> LeaseReply:
        """Make a request, and wait for its answer until the request times out, or `until`."""
        seconds = min(self._config.request_timeout, until - self._clock.monotonic())
        reply: LeaseReply = LeaseTrouble("no answer within the time allowed")

        async def cancel_later(scope: anyio.CancelScope) -> None:
            await self._clock.sleep(seconds)
            scope.cancel()

        async with anyio.create_task_group() as race:
            # Not the timeout of the HTTP client, which may be longer than the Lease lives.
            race.start_soon(cancel_later, race.cancel_scope)
            reply = await request()
            race.cancel_scope.cancel()
        return reply

    def _note_renewal(self, lease: Lease, sent_at: float) -> None:
        self._lease = lease
        self._sent_at = sent_at
        self._renew_at = sent_at + self._config.renew_period
        self._trouble = _SUSPENDED

    def _lose(self, how: str) -> None:
        if not self._held:
            return
        self._held = False
        cause = f"the lease {self._config.lease} {how}"
        events.lease_lost(self._log, self._config.lease, cause)
        self._on_lost(Cause(CauseCode.LEASE_LOST, cause))

    def _micro_time(self) -> str:
        """Return the wall clock's time as a Kubernetes MicroTime."""
        now = datetime.fromtimestamp(self._clock.wall(), UTC)
        return now.isoformat(timespec="microseconds").replace("+00:00", "Z")
