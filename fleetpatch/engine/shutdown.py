"""A graceful shutdown: how a lane is stopped, and what it may still do.

After the request nothing new is sent. Waits end at once, so a worker in a long backoff releases its
target instead of delaying the end. Requests in flight are awaited, and objects that may have been
patched are read. `DRAIN` limits all of it: a target whose answer takes longer stays in doubt, and
is read when the run is resumed.

A run that holds a Lease, or that has a window, may send only while its guard returns True. The
guard is called right before each PATCH, because the process may have been suspended since.
"""

from collections.abc import Callable
from math import inf

import anyio

from fleetpatch.engine.concurrency import Wakeup
from fleetpatch.model.ports import Clock

DRAIN = 4.0
"""Seconds for requests in flight after a shutdown is requested."""


class Shutdown:
    """The request to stop a lane, shared by its workers.

    Each of `guards` returns whether sending is still allowed. A guard that returns False requests
    the shutdown itself, which ends the waits.
    """

    def __init__(self, clock: Clock, *guards: Callable[[], bool]) -> None:
        self.clock = clock
        self._guards = guards
        # Waits and sleeps end when the shutdown is requested, without polling.
        self._awaited: set[Wakeup] = set()
        self._is_requested = False
        self._requested = anyio.Event()

    @property
    def requested(self) -> bool:
        """Whether nothing new may be sent."""
        # A plain flag, and no generator where there is no guard: each target asks several times.
        if self._is_requested or not self._guards:
            return self._is_requested
        return not all(holds() for holds in self._guards)

    def request(self) -> None:
        """Request the shutdown, on the event loop's thread; a second call has no effect."""
        self._is_requested = True
        self._requested.set()
        for wakeup in self._awaited:
            wakeup.set()

    async def sleep(self, seconds: float) -> None:
        """Sleep for `seconds`, or until the shutdown is requested."""
        if seconds <= 0 or self.requested:
            return
        await self.wait_for(Wakeup(), seconds)

    async def wait_for(self, wakeup: Wakeup, seconds: float = inf) -> None:
        """Wait for `wakeup`, which `request` sets as well, and for so many seconds at most."""
        if self.requested:
            return
        self._awaited.add(wakeup)
        try:
            await (wakeup.wait() if seconds == inf else wakeup.sleep(self.clock, seconds))
        finally:
            self._awaited.discard(wakeup)

    async def drained(self) -> None:
        """Wait until `DRAIN` seconds have passed since the request."""
        await self._requested.wait()
        await self.clock.sleep(DRAIN)
