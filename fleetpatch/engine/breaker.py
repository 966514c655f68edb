"""The breaker of one cluster: notes how targets end, and tells what is not worth trying.

It opens for a part of the cluster (a kind in a namespace) after identical refusals in a row, and
for the whole of it when the attempts of target after target run out, or when nothing is accepted
for a while. It stays open for as long as the process lives; a run that goes on later tries again.

Outages: when a server was last gone, so that it may have been started again since.

A server that has just been started answers before it knows everybody's rights and all custom kinds,
and refuses what it will take a second later. So for `SETTLING` seconds after an outage such a
refusal is not final: it is sent again like a 503.

No connection at all is an outage. A connection that broke is one only where many break at once, as
they do when a process dies; one or two are everyday faults, after which a refusal means what it
says.
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final

from fleetpatch.model.outcome import Outcome, Reason, Settlement
from fleetpatch.model.target import Target
from fleetpatch.rules.running.limits import (
    BREAKDOWNS,
    BUSY_ANSWERS,
    BUSY_SECONDS,
    REFUSALS,
    Part,
    part_of,
    refusal,
)

_ACCEPTED_BY_NOBODY: Final = frozenset({Reason.EXHAUSTED, Reason.WEBHOOK_UNREACHABLE})
"""Ends that show nothing of a server that accepts what it is sent."""


@dataclass(slots=True)
class _Row:
    """Refusals of one kind, one after the other."""

    said: str = ""
    count: int = 0


@dataclass(slots=True)
class Breaker:
    """Told of every end at once; `not_tried` counts the targets that `refuses` turned away."""

    refusals: int = REFUSALS
    breakdowns: int = BREAKDOWNS
    not_tried: Counter[Part] = field(default_factory=Counter)
    _rows: dict[Part, _Row] = field(default_factory=dict)
    _open: dict[Part, str] = field(default_factory=dict)
    _exhausted: int = 0
    _busy: int = 0
    _busy_since: float = 0.0
    _busy_at: float = 0.0

    def note(self, target: Target, settlement: Settlement) -> str:
        """Note an end; gives why the whole cluster is to be left alone now, or nothing."""
        part, said = part_of(target), refusal(target, settlement)
        if settlement.reason not in _ACCEPTED_BY_NOBODY:
            self._busy = 0
        if said:
            row = self._rows.setdefault(part, _Row())
            row.count = row.count + 1 if row.said == said else 1
            row.said = said
            if row.count >= self.refusals:
                self._open.setdefault(part, settlement.detail)
        elif settlement.outcome is not Outcome.SKIPPED:
            self._rows.pop(part, None)
        self._exhausted = self._exhausted + 1 if settlement.reason is Reason.EXHAUSTED else 0
        if self._exhausted == self.breakdowns:
            return f"{self.breakdowns} targets in a row were given up: {settlement.detail}"
        return ""

    def busy(self, now: float, detail: str) -> str:
        """Note an answer that settled nothing; gives why the cluster is to be left alone now."""
        if not self._busy or now > self._busy_at + BUSY_SECONDS:
            # After a while in which nothing was asked, such as a wave's pause, it counts anew.
            self._busy, self._busy_since = 0, now
        self._busy += 1
        self._busy_at = now
        if self._busy < BUSY_ANSWERS or now - self._busy_since < BUSY_SECONDS:
            return ""
        return f"nothing was accepted for {now - self._busy_since:.0f} s: {detail}"

    def refuses(self, target: Target) -> bool:
        """Tell whether the target's part is stopped; counts it as not tried then."""
        if not self._open or (part := part_of(target)) not in self._open:
            return False
        self.not_tried[part] += 1
        return True

    def causes(self) -> list[str]:
        """Say what was stopped, why, and how much of it was not tried."""
        return [
            f"{kind} in {namespace} was stopped after {self.refusals} refusals in a row,"
            f" {self.not_tried[kind, namespace]} not tried: {detail}"
            for (kind, namespace), detail in self._open.items()
            if self.not_tried[kind, namespace]
        ]


SETTLING = 10.0
"""Seconds after an outage within which a server may not be itself yet."""

TOGETHER = 6
"""Connections that break within a second of each other when a server dies."""


class OutageTracker:
    """Shared by the workers of a lane. Times are those of a monotonic clock."""

    def __init__(self) -> None:
        self._last = float("-inf")
        self._broken: deque[float] = deque(maxlen=TOGETHER)

    def note(self, now: float, *, alone: bool) -> None:
        """The server was silent; `alone` where that may concern this one connection only."""
        self._broken.append(now)
        many = len(self._broken) == TOGETHER and now - self._broken[0] < 1.0
        if many or not alone:
            self._last = now

    def is_recent(self, now: float) -> bool:
        """Whether the server may have been started just now."""
        return now - self._last < SETTLING
