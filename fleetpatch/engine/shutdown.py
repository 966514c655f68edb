"""A graceful shutdown: how a lane is stopped, and what it may still do.

After the request nothing new is sent. Waits end at once, so a worker in a long backoff releases its
target instead of delaying the end. Requests in flight are awaited, and what may have been applied
is read. `DRAIN` bounds all of it: a target whose answer takes longer stays in doubt, and is read
when the run is resumed.

A run that holds a Lease, or that has a window, may send only while its guard allows it. The guard
is asked each time, because the process may have been suspended since.
"""

from collections.abc import Callable

import anyio

from fleetpatch.model.ports import Clock

DRAIN = 4.0
"""Seconds for requests in flight after a shutdown is requested."""


def _always() -> bool:
    return True


class Shutdown:
    """Shared by the workers of a lane.

    `guard` returns whether sending is still allowed. Where it is not, the guard itself sees to it
    that a shutdown is requested, which ends the waits.
    """

    def __init__(self, clock: Clock, guard: Callable[[], bool] = _always) -> None:
        self.clock = clock
        self._guard = guard
        # Waits end when the shutdown is requested, without polling: sleeps are cancelled, and
        # events are set.
        self._sleepers: set[anyio.CancelScope] = set()
        self._awaited: set[anyio.Event] = set()
        self._requested = anyio.Event()

    @property
    def requested(self) -> bool:
        """Whether nothing new may be sent."""
        return self._requested.is_set() or not self._guard()

    def request(self) -> None:
        """Request the shutdown, on the event loop's thread; a second call changes nothing."""
        self._requested.set()
        for sleeper in self._sleepers:
            sleeper.cancel()
        for event in self._awaited:
            event.set()

    async def sleep(self, seconds: float) -> None:
        """Sleep for `seconds`, or until the shutdown is requested."""
        if seconds <= 0 or self.requested:
            return
        with anyio.CancelScope() as sleeper:
            self._sleepers.add(sleeper)
            try:
                await self.clock.sleep(seconds)
            finally:
                self._sleepers.discard(sleeper)

    async def wait_for(self, event: anyio.Event) -> None:
        """Wait for `event`; the request of the shutdown sets it, too."""
        if self.requested:
            return
        self._awaited.add(event)
        try:
            await event.wait()
        finally:
            self._awaited.discard(event)

    async def drained(self) -> None:
        """Wait until `DRAIN` seconds have passed since the request."""
        await self._requested.wait()
        await self.clock.sleep(DRAIN)
