"""The breaker of one cluster, which stops what keeps failing, and the tracker of its outages.

The breaker opens for a part of the cluster (a kind in a namespace) after identical refusals in a
row, and for the whole cluster when the attempts of target after target run out, or when nothing is
accepted for a while. It stays open until the process ends; a run that is resumed tries again.

The outage tracker remembers when a server was last unreachable, because it may have been started
since. A server that has just started answers before it has loaded RBAC rules and custom resource
definitions, and refuses what it accepts a second later. For `STARTUP_SECONDS` after an outage such
a refusal is not final: the patch is sent again, as after a 503.

A refused connection is an outage. A broken connection is one only where many break within a second,
as they do when a process dies. One or two are common network errors; a refusal after them is final.
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final

from fleetpatch.model.outcome import Outcome, Reason, Settlement
from fleetpatch.model.target import Target
from fleetpatch.rules.running.limits import (
    BUSY_ANSWERS,
    BUSY_SECONDS,
    EXHAUSTED_IN_A_ROW,
    REFUSALS_IN_A_ROW,
    Part,
    part_of,
    refusal,
)

_ACCEPTED_BY_NOBODY: Final = frozenset({Reason.EXHAUSTED, Reason.WEBHOOK_UNREACHABLE})
"""Reasons that do not show that the server accepts requests."""


@dataclass(slots=True)
class _Streak:
    """Identical refusals in a row."""

    said: str = ""
    count: int = 0


@dataclass(slots=True)
class Breaker:
    """Gets every end and every retry of a lane; `not_tried` counts what `refuses` turned away."""

    refusals: int = REFUSALS_IN_A_ROW
    breakdowns: int = EXHAUSTED_IN_A_ROW
    not_tried: Counter[Part] = field(default_factory=Counter)
    _streaks: dict[Part, _Streak] = field(default_factory=dict)
    _open: dict[Part, str] = field(default_factory=dict)
    _exhausted: int = 0
    _busy: int = 0
    _busy_since: float = 0.0
    _busy_at: float = 0.0

    def settled(self, target: Target, settlement: Settlement) -> str:
        """Count an end; returns the reason to stop sending to this cluster, or ''."""
        part, said = part_of(target), refusal(target, settlement)
        if settlement.reason not in _ACCEPTED_BY_NOBODY:
            self._busy = 0
        if said:
            streak = self._streaks.setdefault(part, _Streak())
            streak.count = streak.count + 1 if streak.said == said else 1
            streak.said = said
            if streak.count >= self.refusals:
                self._open.setdefault(part, settlement.detail)
        # A skipped target does not end a streak: the server accepted no PATCH of it.
        elif settlement.outcome is not Outcome.SKIPPED:
            self._streaks.pop(part, None)
        self._exhausted = self._exhausted + 1 if settlement.reason is Reason.EXHAUSTED else 0
        # Equality: the cause is returned once, and what is in flight ends after it.
        if self._exhausted == self.breakdowns:
            return f"{self.breakdowns} targets in a row were given up: {settlement.detail}"
        return ""

    def retried(self, now: float, detail: str) -> str:
        """Count a retry at `now`; returns the reason to stop sending to this cluster, or ''."""
        if not self._busy or now > self._busy_at + BUSY_SECONDS:
            # A time without requests, such as the pause before a wave, says nothing: start again.
            self._busy, self._busy_since = 0, now
        self._busy += 1
        self._busy_at = now
        if self._busy < BUSY_ANSWERS or now - self._busy_since < BUSY_SECONDS:
            return ""
        return f"nothing was accepted for {now - self._busy_since:.0f} s: {detail}"

    def refuses(self, target: Target) -> bool:
        """Return whether the target's part is stopped; counts it as not tried then."""
        if not self._open or (part := part_of(target)) not in self._open:
            return False
        self.not_tried[part] += 1
        return True

    def causes(self) -> list[str]:
        """Describe what was stopped, why, and how much of it was not tried."""
        return [
            f"{kind} in {namespace} was stopped after {self.refusals} refusals in a row,"
            f" {self.not_tried[kind, namespace]} not tried: {detail}"
            for (kind, namespace), detail in self._open.items()
            if self.not_tried[kind, namespace]
        ]


STARTUP_SECONDS = 10.0
"""Seconds after an outage within which a server may not have loaded everything yet."""

BROKEN_TOGETHER = 6
"""Connections that break within a second when a server dies; fewer are network errors."""


class OutageTracker:
    """Shared by the workers of a lane. Times are those of a monotonic clock."""

    def __init__(self) -> None:
        self._last = float("-inf")
        self._broken: deque[float] = deque(maxlen=BROKEN_TOGETHER)

    def note(self, now: float, *, alone: bool) -> None:
        """Count a request without an answer; `alone` where only its connection may be at fault."""
        self._broken.append(now)
        many = len(self._broken) == BROKEN_TOGETHER and now - self._broken[0] < 1.0
        # A refused connection is enough; broken ones count only together.
        if many or not alone:
            self._last = now

    def is_recent(self, now: float) -> bool:
        """Return whether the server may have been started just now."""
        return now - self._last < STARTUP_SECONDS
