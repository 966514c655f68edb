"""Coming to rest: how a lane is told to stop, and what it may still do.

Once a halt is called, nothing new is sent. Waits end at once, so that a worker in a long backoff
gives its target back instead of holding up the end; what is in flight is awaited; what may have
been applied is still read. `DRAIN` bounds all of that: what the server withholds longer stays in
doubt, and is read when the run goes on.

A run that holds a Lease may send only while it holds it. The guard tells, at the very moment at
which it is asked.
"""

from collections.abc import Callable

import anyio

from fleetpatch.model.ports import Clock

DRAIN = 4.0
"""Seconds that what is in flight may take after a halt."""


def _always() -> bool:
    return True


class Shutdown:
    """Shared by the workers of a lane. `called` tells whether it is time to come to rest.

    `guard` tells whether sending is still allowed; it says so to whoever is to call the halt, too.
    """

    def __init__(self, clock: Clock, guard: Callable[[], bool] = _always) -> None:
        self.clock = clock
        self._guard = guard
        self._sleepers: set[anyio.CancelScope] = set()
        self._awaited: set[anyio.Event] = set()
        self._requested = anyio.Event()

    @property
    def requested(self) -> bool:
        """Whether nothing new may be sent."""
        return self._requested.is_set() or not self._guard()

    def request(self) -> None:
        """Call the halt, on the event loop's thread; again changes nothing."""
        self._requested.set()
        for sleeper in self._sleepers:
            sleeper.cancel()
        for event in self._awaited:
            event.set()

    async def sleep(self, seconds: float) -> None:
        """Sleep so long, or until the halt is called."""
        if seconds <= 0 or self.requested:
            return
        with anyio.CancelScope() as sleeper:
            self._sleepers.add(sleeper)
            try:
                await self.clock.sleep(seconds)
            finally:
                self._sleepers.discard(sleeper)

    async def wait_for(self, event: anyio.Event) -> None:
        """Wait for `event`, which the call of the halt sets, too."""
        if self.requested:
            return
        self._awaited.add(event)
        try:
            await event.wait()
        finally:
            self._awaited.discard(event)

    async def drained(self) -> None:
        """Wait until `DRAIN` seconds have passed since the call."""
        await self._requested.wait()
        await self.clock.sleep(DRAIN)
