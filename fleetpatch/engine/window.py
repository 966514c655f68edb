"""The gate: lets a run send while its window is open, and tells everybody once it is not.

The rules (`fleetpatch.rules.running.window`) answer for a moment; the gate keeps their answer for
as long as it is good and asks again when the wall clock is outside of that. So a clock that is
stepped, and a machine that slept, are noticed before the next request, not after it.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.model.ports import Clock
from fleetpatch.model.window import Window
from fleetpatch.rules.running.window import Outlook, outlook

_MAX_SLEEP: Final = 30.0
"""Seconds after which a sleeper looks at the wall clock again: it may have been stepped."""


class WindowGuard:
    """Open while `window` is; `close` is called, with a cause in one line, when it closes."""

    def __init__(self, window: Window, clock: Clock, close: Callable[[str], None]) -> None:
        self._window = window
        self._clock = clock
        self._close = close
        self._since = self._until = 0.0

    def holds(self) -> bool:
        """Tell whether a request may be sent now; cheap. Calls `close` where it may not."""
        now = self._clock.wall()
        if self._since <= now < self._until:
            return True
        seen = self._look(now)
        if not seen.may_send:
            self._close(self.cause(seen))
        return seen.may_send

    def outlook(self) -> Outlook:
        """Look at the window from this moment."""
        return self._look(self._clock.wall())

    async def watch(self) -> None:
        """Return once the gate has closed; `close` has been called then."""
        while self.holds():
            await self._clock.sleep(min(_MAX_SLEEP, self._until - self._clock.wall()))

    async def wait(self, shutdown: Shutdown) -> bool:
        """Wait until it opens or `shutdown` is called; False where it never opens again."""
        while not (shutdown.requested or (seen := self.outlook()).may_send):
            if seen.opens_at is None:
                return False
            await shutdown.sleep(min(_MAX_SLEEP, max(seen.opens_at - seen.now, 0.001)))
        return True

    def cause(self, seen: Outlook) -> str:
        """Say in one line that the window is closed, and when it opens."""
        if seen.opens_at is None:
            return "the window is closed and does not open again; correct the plan's window"
        return f"the window is closed; it opens next at {_local(seen.opens_at, self._window.zone)}"

    def _look(self, now: float) -> Outlook:
        seen = outlook(self._window, now)
        if seen.may_send and seen.cutoff is not None:
            self._since, self._until = now, seen.cutoff
        return seen


def _local(moment: float, zone: ZoneInfo) -> str:
    """RFC 3339 in the window's zone, and the zone's name."""
    shown = datetime.fromtimestamp(moment, UTC).astimezone(zone)
    return f"{shown.isoformat(timespec='seconds')} ({zone.key})"
