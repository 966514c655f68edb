"""Which changes of the pace are reported.

A pause is reported when it begins. Every other change must last, so that a trial, or a cause that
flips back within seconds, is not reported.
"""

from collections.abc import Callable
from math import inf

from fleetpatch.model.pace import Pace, PaceCause
from fleetpatch.rules.pacing.tuning import Tuning


class PaceReport:
    """Calls `on_change` with the pace that was reported last and the new one.

    A change is another cause, or a limit that differs by the ratio `Tuning.report_ratio`.
    """

    def __init__(self, pace: Pace, tuning: Tuning, on_change: Callable[[Pace, Pace], None]) -> None:
        self._reported, self._tuning, self._on_change = pace, tuning, on_change
        self._changing: tuple[PaceCause, float] | None = None
        self._due = -inf

    def is_due(self, now: float) -> bool:
        """Whether it is time to look at the pace."""
        return now >= self._due

    def note(self, pace: Pace, now: float) -> None:
        """Report this pace, where it has changed for long enough."""
        self._due = now + self._tuning.report_delay / 3
        old = self._reported
        moved = self._differ(old.concurrency, pace.concurrency) or self._differ(old.rate, pace.rate)
        if pace.cause is old.cause and not moved:
            self._changing = None
            return
        if self._changing is None or self._changing[0] is not pace.cause:
            self._changing = pace.cause, now
        if (
            pace.cause is PaceCause.RETRY_AFTER
            or now - self._changing[1] >= self._tuning.report_delay
        ):
            self._reported, self._changing = pace, None
            self._on_change(old, pace)

    def _differ(self, old: float | None, new: float | None) -> bool:
        lower, higher = sorted((old or inf, new or inf))
        return lower != higher and higher >= self._tuning.report_ratio * lower
