"""What a reply says about how the server is doing; for the pace alone, not for the target.

HTTP 429 and 503 are refusals, whatever the plan retries: a server that says "too many" is believed.
A time-out, our own or one on the way (504, 408), says that it is far too slow. What tells nothing
about load (a broken connection, a 500 or 502) is not counted.
"""

from enum import Enum, auto

from fleetpatch.model.answer import Answer, Reply, Silence

_REFUSALS = frozenset({429, 503})
_TIMEOUTS = frozenset({408, 504})
_FIRST_UNTOLD = 500


class ReplySignal(Enum):
    """What a reply says."""

    ACCEPTED = auto()
    """The server dealt with it; its latency counts."""
    REFUSED = auto()
    """Too many requests."""
    LATE = auto()
    """No answer in time."""
    NOTHING = auto()
    """No word about load."""


def signal_of(reply: Reply) -> ReplySignal:
    """Read a reply."""
    if isinstance(reply, Answer):
        if reply.status in _REFUSALS:
            return ReplySignal.REFUSED
        if reply.status in _TIMEOUTS:
            return ReplySignal.LATE
        return ReplySignal.NOTHING if reply.status >= _FIRST_UNTOLD else ReplySignal.ACCEPTED
    return ReplySignal.LATE if reply.silence is Silence.TIMEOUT else ReplySignal.NOTHING
