"""When a run is expected to end: from its rate, the waves ahead, their pauses, and the window."""

from collections.abc import Sequence

from fleetpatch.model.window import Window
from fleetpatch.rules.running.window import window_status

_SPANS = 1000
"""Openings that are walked through; a run that needs more has no useful expectation."""


def expected_end(
    now: float,
    rate: float,
    waves: Sequence[int],
    *,
    pause: float = 0.0,
    starts_at: float | None = None,
    by_hand: bool = False,
    window: Window | None = None,
) -> float | None:
    """Return when the last target ends, in seconds since the epoch; None if that is not known.

    `waves` are the open targets of the wave under way and of those after it, `rate` the targets a
    second. `pause` separates the waves, `starts_at` is when the first of them begins. Where waves
    begin by hand, only the end of the last one is known.
    """
    if rate <= 0.0 or (by_hand and len(waves) > 1):
        return None
    moment: float | None = max(now, starts_at or now)
    for number, targets in enumerate(waves):
        if number and moment is not None:
            moment += pause
        if moment is not None:
            moment = _worked(moment, targets / rate, window)
    return moment


def _worked(moment: float, seconds: float, window: Window | None) -> float | None:
    """Return when work of `seconds` that begins at `moment` ends, done while the window is open."""
    if window is None:
        return moment + seconds
    for _ in range(_SPANS):
        seen = window_status(window, moment)
        if seen.cutoff is not None and moment < seen.cutoff:
            if moment + seconds <= seen.cutoff:
                return moment + seconds
            seconds -= seen.cutoff - moment
            moment = seen.cutoff
        if seen.opens_at is None:
            return moment if seconds <= 0.0 else None
        moment = max(moment, seen.opens_at)
    return None
