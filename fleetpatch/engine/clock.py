"""The real clock, for the port of that name."""

import time

import anyio


class SystemClock:
    """Time as the operating system tells it."""

    def monotonic(self) -> float:
        """Seconds that never step back."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since the epoch, UTC."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Wait so long."""
        await anyio.sleep(seconds)
