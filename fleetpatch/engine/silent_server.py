"""Since when a server has answered none of the requests that were sent to it.

Broken connections, time-outs, 500s and 502s do not count as answers here: the pace cannot follow
them (`rules.answers.reply_signal`). People must see them nevertheless.
"""

from math import inf
from typing import Final

from msgspec.structs import replace

from fleetpatch.model.pace import Pace, PaceCause
from fleetpatch.rules.answers.reply_signal import ReplySignal

SHOWN_AFTER: Final = 3.0
"""Seconds without an answer after which that is shown; as long as a change of pace must last."""

_ANSWERS: Final = frozenset({ReplySignal.ACCEPTED, ReplySignal.REFUSED})


class SilentServer:
    """Watches the requests of one pacer; times are monotonic."""

    def __init__(self) -> None:
        self._since, self._latency = inf, 0.0

    def sent(self, now: float) -> None:
        """Note a request. Called for each one."""
        if self._since == inf:
            self._since = now

    def replied(self, sent_at: float, signal: ReplySignal, now: float, in_flight: int) -> None:
        """Note the reply to a request that was sent at `sent_at`; `in_flight` others have none."""
        if signal in _ANSWERS:
            self._since, self._latency = now if in_flight else inf, now - sent_at

    def explained(self, pace: Pace, now: float) -> Pace:
        """Return the pace; its cause is the silence, once that is long for this server."""
        # A pause follows from refusals and time-outs, and has a cause of its own.
        if pace.until is None and now - self._since > max(SHOWN_AFTER, 2.0 * self._latency):
            return replace(pace, cause=PaceCause.FAILING)
        return pace
