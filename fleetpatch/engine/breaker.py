"""The circuit breaker of one cluster, and the tracker of its outages.

The breaker opens for a part of the cluster (a kind in a namespace) after identical refusals in a
row. It opens for the whole cluster when several targets in a row use up their attempts, or when the
server accepts nothing for a while, however rarely it is asked: all requests may pause for as long
as it wants. It stays open until the process ends; a resumed run tries again.

The outage tracker remembers when a server was last unreachable, because it may have been started
since. A server that has just started answers before it has loaded RBAC rules and custom resource
definitions, and refuses what it accepts a second later. For `STARTUP_SECONDS` after an outage such
a refusal is not final: the patch is sent again, as after a 503.

A refused connection is an outage. Broken connections are one only if many break within a second,
as they do when a process dies. One or two are common network errors; a refusal after them is final.
"""

from collections import Counter, deque
from typing import Final

import msgspec

from fleetpatch.model.answer import NoAnswer, Reply, Silence
from fleetpatch.model.outcome import Outcome, Reason, Settlement
from fleetpatch.model.target import Target
from fleetpatch.rules.answers.verdicts import may_be_starting
from fleetpatch.rules.running.limits import (
    BUSY_ANSWERS,
    BUSY_SECONDS,
    EXHAUSTED_IN_A_ROW,
    REFUSALS_IN_A_ROW,
    Part,
    part_of,
    refusal,
)

_NOT_ACCEPTED: Final = frozenset({Reason.EXHAUSTED, Reason.WEBHOOK_UNREACHABLE})
"""Reasons that do not show that the server accepts requests."""


class _Streak(msgspec.Struct):
    """Identical refusals in a row."""

    refusal: str = ""
    count: int = 0


class Breaker(msgspec.Struct):
    """Counts the settled targets and the retries of one lane, which asks it before each target.

    It opens for a part after `refusals` in a row, and for the cluster after `exhausted_targets` in
    a row. `not_tried` counts by part the targets for which `refuses` was true.
    """

    refusals: int = REFUSALS_IN_A_ROW
    exhausted_targets: int = EXHAUSTED_IN_A_ROW
    not_tried: Counter[Part] = msgspec.field(default_factory=Counter)
    _streaks: dict[Part, _Streak] = {}
    _open: dict[Part, str] = {}
    _exhausted: int = 0
    _busy: int = 0
    _busy_since: float = 0.0

    def begin(self) -> None:
        """Begin a wave: the time before it, in which nothing is sent, is none of refusals."""
        self._busy = 0

    def settled(self, target: Target, settlement: Settlement) -> str:
        """Count a settled target; return the reason to stop sending to the cluster, or ''."""
        part, refused = part_of(target), refusal(target, settlement)
        if settlement.reason not in _NOT_ACCEPTED:
            self._busy = 0
        if refused:
            streak = self._streaks.setdefault(part, _Streak())
            streak.count = streak.count + 1 if streak.refusal == refused else 1
            streak.refusal = refused
            if streak.count >= self.refusals:
                self._open.setdefault(part, settlement.detail)
        # A skipped target does not end a streak, since no PATCH of it was accepted.
        elif settlement.outcome is not Outcome.SKIPPED:
            self._streaks.pop(part, None)
        self._exhausted = self._exhausted + 1 if settlement.reason is Reason.EXHAUSTED else 0
        # Equality, not "at least": targets in flight end after this one, and the cause is returned
        # once.
        if self._exhausted == self.exhausted_targets:
            return f"{self.exhausted_targets} targets in a row were given up: {settlement.detail}"
        return ""

    def retried(self, now: float, detail: str) -> str:
        """Count a retry at `now`; return the reason to stop sending to the cluster, or ''."""
        if not self._busy:
            self._busy_since = now
        self._busy += 1
        if self._busy < BUSY_ANSWERS or now - self._busy_since < BUSY_SECONDS:
            return ""
        return f"nothing was accepted for {now - self._busy_since:.0f} s: {detail}"

    def refuses(self, target: Target) -> bool:
        """Return whether the breaker is open for the target's part; count it as not tried then."""
        if not self._open or (part := part_of(target)) not in self._open:
            return False
        self.not_tried[part] += 1
        return True

    def causes(self) -> list[str]:
        """Describe each part that was stopped, why, and how many targets were not tried."""
        return [
            f"{kind} in {namespace} was stopped after {self.refusals} refusals in a row,"
            f" {self.not_tried[kind, namespace]} not tried: {detail}"
            for (kind, namespace), detail in self._open.items()
            if self.not_tried[kind, namespace]
        ]


STARTUP_SECONDS = 10.0
"""Seconds after an outage in which a server may still load RBAC rules and resource definitions."""

BROKEN_TOGETHER = 6
"""Connections that break within a second when a server dies; fewer are network errors."""


class OutageTracker:
    """Remembers the last outage; shared by the workers of a lane. Times are monotonic."""

    def __init__(self) -> None:
        self._last = float("-inf")
        self._broken: deque[float] = deque(maxlen=BROKEN_TOGETHER)

    def note(self, now: float, *, alone: bool) -> None:
        """Count a request without an answer; `alone` if others may still be answered."""
        self._broken.append(now)
        many = len(self._broken) == BROKEN_TOGETHER and now - self._broken[0] < 1.0
        # A refused connection is enough; broken ones count only together.
        if many or not alone:
            self._last = now

    def may_explain(self, reply: Reply, now: float) -> bool:
        """Return whether a server that has just started may have sent `reply`.

        A missing answer is noted, and explained by nothing.
        """
        if isinstance(reply, NoAnswer):
            self.note(now, alone=reply.silence is not Silence.UNREACHABLE)
            return False
        return self.is_recent(now) and may_be_starting(reply)

    def is_recent(self, now: float) -> bool:
        """Return whether the server may have been started just now."""
        return now - self._last < STARTUP_SECONDS
