"""The system clock, which implements the port `Clock`, and sleeps that include a suspend."""

import time

import anyio

from fleetpatch.model.ports import Clock

# On Linux CLOCK_MONOTONIC stops while the machine is suspended, but a Lease expires all the same.
_MONOTONIC = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

_MAX_SLEEP = 30.0
"""Seconds of one sleep, and so the longest delay after a suspend."""


async def sleep_monotonic(clock: Clock, seconds: float) -> None:
    """Wait until `seconds` have passed on the monotonic clock, time of a suspend included.

    A single long sleep would wait longer: the event loop's timers stop while the machine is
    suspended.
    """
    until = clock.monotonic() + seconds
    while (remaining := until - clock.monotonic()) > 0:
        await clock.sleep(min(_MAX_SLEEP, remaining))


class SystemClock:
    """The time of the operating system."""

    def monotonic(self) -> float:
        """Seconds that never decrease, time of a suspend included."""
        return time.clock_gettime(_MONOTONIC)

    def wall(self) -> float:
        """Seconds since the epoch, UTC."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Wait for at least `seconds`; a negative number only yields to other tasks."""
        until, left = self.monotonic() + seconds, seconds
        while True:
            await anyio.sleep(max(0.0, left))
            # The timers of uvloop count whole milliseconds and are up to 1.5 ms early.
            if (left := until - self.monotonic()) <= 0.0:
                return
