"""What a reply says about how loaded the server is; for the pace alone, not for the target.

HTTP 429 and 503 are refusals, whatever the plan retries. A time-out, our own or one on the way
(408, 504), is late: the server is far too slow, or does not answer at all. A broken connection, a
500 or a 502 says nothing.
"""

from enum import IntEnum
from http import HTTPStatus

from fleetpatch.model.answer import Answer, Reply, Silence

ReplySignal = IntEnum("ReplySignal", "ACCEPTED REFUSED LATE NOTHING")
"""What a reply says. An IntEnum, whose members are cheap to look up in a set."""

TROUBLE = frozenset({ReplySignal.REFUSED, ReplySignal.LATE})
"""The signals of a server that has too much to do."""


def signal_of(reply: Reply) -> ReplySignal:
    """Read a reply."""
    if not isinstance(reply, Answer):
        return ReplySignal.LATE if reply.silence is Silence.TIMEOUT else ReplySignal.NOTHING
    match reply.status:
        case 429 | 503:
            return ReplySignal.REFUSED
        case 408 | 504:
            return ReplySignal.LATE
        case status if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return ReplySignal.NOTHING
        case _:
            return ReplySignal.ACCEPTED
