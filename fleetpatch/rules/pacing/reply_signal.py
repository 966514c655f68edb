"""What a reply says about how loaded the server is; for the pace alone, not for the target.

HTTP 429 and 503 are refusals, whatever the plan retries. A time-out, our own or one on the way
(408, 504), is late: the server is far too slow, or does not answer at all. A broken connection, a
500 or a 502 says nothing.
"""

from enum import IntEnum

from fleetpatch.model.answer import Answer, Reply, Silence

_REFUSALS = frozenset({429, 503})
_TIMEOUTS = frozenset({408, 504})
_SERVER_ERRORS = 500


# An IntEnum, whose members are cheap to look up in a set.
ReplySignal = IntEnum("ReplySignal", "ACCEPTED REFUSED LATE NOTHING")
"""What a reply says."""

TROUBLE = frozenset({ReplySignal.REFUSED, ReplySignal.LATE})
"""The signals of a server that has too much to do."""


def signal_of(reply: Reply) -> ReplySignal:
    """Read a reply."""
    if isinstance(reply, Answer):
        if reply.status in _REFUSALS:
            return ReplySignal.REFUSED
        if reply.status in _TIMEOUTS:
            return ReplySignal.LATE
        return ReplySignal.NOTHING if reply.status >= _SERVER_ERRORS else ReplySignal.ACCEPTED
    return ReplySignal.LATE if reply.silence is Silence.TIMEOUT else ReplySignal.NOTHING
