"""The real clock, for the port of that name."""

import time

import anyio

from fleetpatch.model.ports import Clock

# Linux' other clock stands still while the machine sleeps, and a Lease runs out meanwhile.
_MONOTONIC = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


_MAX_SLEEP = 30.0


async def sleep_monotonic(clock: Clock, seconds: float) -> None:
    """Wait until so many seconds have passed on the monotonic clock.

    A single long sleep would not: the timers of the loop stand still while a machine sleeps.
    """
    until = clock.monotonic() + seconds
    while (left := until - clock.monotonic()) > 0:
        await clock.sleep(min(_MAX_SLEEP, left))


class SystemClock:
    """Time as the operating system tells it."""

    def monotonic(self) -> float:
        """Seconds that never step back, those of a machine's sleep included."""
        return time.clock_gettime(_MONOTONIC)

    def wall(self) -> float:
        """Seconds since the epoch, UTC."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Wait so long; a time that has passed by now is not waited for."""
        await anyio.sleep(max(0.0, seconds))
