"""The guard of the maintenance window: a run may send while its window is open.

The rules (`fleetpatch.rules.running.window`) decide for one moment. The guard keeps their answer
for as long as it is valid, and evaluates the window again when the wall clock is outside of that
time. So it detects a clock that was set, or a machine that was suspended, before the next request.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.ports import Clock
from fleetpatch.model.window import Window
from fleetpatch.rules.running.window import WindowStatus, window_status

_MAX_SLEEP: Final = 30.0
"""Seconds after which a wait reads the wall clock again: it may have been set."""


class WindowGuard:
    """Open while `window` is; `close` is called, with the cause, when it closes."""

    def __init__(self, window: Window, clock: Clock, close: Callable[[Cause], None]) -> None:
        self._window = window
        self._clock = clock
        self._close = close
        self._since = self._until = 0.0

    def holds(self) -> bool:
        """Return whether a request may be sent now; calls `close` if not. Called for each PATCH."""
        now = self._clock.wall()
        if self._since <= now < self._until:
            return True
        seen = self._look(now)
        if not seen.may_send:
            self._close(self.cause(seen))
        return seen.may_send

    def left(self) -> float:
        """Return for how many seconds requests may be sent; calls `close` if none may be."""
        return self._until - self._clock.wall() if self.holds() else 0.0

    def status(self) -> WindowStatus:
        """Evaluate the window at this moment."""
        return self._look(self._clock.wall())

    async def watch(self) -> None:
        """Wait until the window closes and `close` was called."""
        while self.holds():
            await self._clock.sleep(min(_MAX_SLEEP, self._until - self._clock.wall()))

    async def wait(self, shutdown: Shutdown) -> bool:
        """Wait until the window opens or a shutdown is requested; False if it never opens again."""
        while not (shutdown.requested or (seen := self.status()).may_send):
            if seen.opens_at is None:
                return False
            # At least a millisecond: the window may open between two reads of the clock, and the
            # difference would be negative.
            await shutdown.sleep(min(_MAX_SLEEP, max(seen.opens_at - seen.now, 0.001)))
        return True

    def cause(self, seen: WindowStatus) -> Cause:
        """Describe in one line that the window is closed, and when it opens."""
        if seen.opens_at is None:
            text = "the window is closed and does not open again; correct the plan's window"
        else:
            opens = _local(seen.opens_at, self._window.zone)
            text = f"the window is closed; it opens next at {opens}"
        return Cause(CauseCode.WINDOW_CLOSED, text)

    def _look(self, now: float) -> WindowStatus:
        seen = window_status(self._window, now)
        # Only an open window is kept: a closed one is evaluated each time, so that its opening is
        # noticed.
        if seen.may_send and seen.cutoff is not None:
            self._since, self._until = now, seen.cutoff
        return seen


def _local(moment: float, zone: ZoneInfo) -> str:
    """Format as RFC 3339 in the window's zone, with the zone's name."""
    shown = datetime.fromtimestamp(moment, UTC).astimezone(zone)
    return f"{shown.isoformat(timespec='seconds')} ({zone.key})"
