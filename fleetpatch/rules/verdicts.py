"""What an answer to a PATCH means.

`TABLE` has a ruling for every status from 100 to 599; `judge` looks closer where the status alone
does not tell. What is not classified stops: retrying an unknown refusal hammers a server that has
said no. The exception are unknown 5xx, where a server or a proxy broke down at an unknown moment:
those are in doubt, and a read finds out.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from fleetpatch.model.answer import Answer, NoAnswer, Reply, Silence
from fleetpatch.model.change import PatchType
from fleetpatch.model.outcome import Reason


class Verdict(StrEnum):
    """What to do next."""

    DONE = "done"
    """The object is in the answer."""
    RETRY = "retry"
    """Not carried out; send again after a pause."""
    CONFLICT = "conflict"
    """The object is not as planned; read it and decide."""
    RENEW = "renew"
    """The credentials are stale; get new ones, then send again."""
    STOP = "stop"
    """Final; the ruling's reason says how the target ends."""
    IN_DOUBT = "in doubt"
    """It may have been applied; read it and decide."""


SERVERS_OWN: Final = frozenset({Verdict.RETRY, Verdict.IN_DOUBT})
"""Verdicts on a server that is busy or unwell; the others are not its fault."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """A verdict; `reason` is how the target ends where it is STOP, or where retries run out."""

    verdict: Verdict
    reason: Reason = Reason.EXHAUSTED


_DONE = Ruling(Verdict.DONE)
_RETRY = Ruling(Verdict.RETRY)
_IN_DOUBT = Ruling(Verdict.IN_DOUBT)
_REJECTED = Ruling(Verdict.STOP, Reason.REJECTED)
_GONE = Ruling(Verdict.STOP, Reason.GONE)
_REPLACED = Ruling(Verdict.STOP, Reason.REPLACED)
_OWNED = Ruling(Verdict.STOP, Reason.OWNED)

_KNOWN = {
    200: _DONE,
    # A patch never creates; a server that says it did (201), will do (202) or has nothing to show
    # (204) must be read.
    201: _IN_DOUBT,
    202: _IN_DOUBT,
    204: _IN_DOUBT,
    401: Ruling(Verdict.RENEW),
    403: Ruling(Verdict.STOP, Reason.FORBIDDEN),
    404: _GONE,
    408: _RETRY,
    409: Ruling(Verdict.CONFLICT, Reason.CONFLICT),
    425: _RETRY,
    429: _RETRY,
    500: _REJECTED,
    501: _REJECTED,
    503: _RETRY,
    505: _REJECTED,
    507: _REJECTED,
}

TABLE = MappingProxyType(
    {
        status: _KNOWN.get(status, _IN_DOUBT if status >= 500 else _REJECTED)  # noqa: PLR2004 - HTTP
        for status in range(100, 600)
    }
)

_UNSURE_500 = ("etcd", "context deadline", "rpc error", "grpc")
"""Phrases of a 500 by which the API server tells that its store may have taken the write."""


def judge(reply: Reply, retried: Collection[int]) -> Ruling:
    """Rule over `reply`; `retried` are the statuses that the plan allows to be sent again."""
    match reply:
        case NoAnswer(silence=Silence.UNREACHABLE):
            return _RETRY
        case NoAnswer():
            return _IN_DOUBT
        case Answer(status=200, seen=None):
            return _IN_DOUBT
        case Answer(status=404) if not (is_gone(reply) or 404 in retried):  # noqa: PLR2004 - HTTP
            return _REJECTED
        case Answer(status=409, owners=owners) if owners:
            return _OWNED
        case Answer(status=413, retry_after=after) if after is not None:
            return _RETRY
        case Answer(status=422, causes=causes) if "metadata.uid" in causes:
            return _REPLACED
        case Answer(status=500) if (ruling := _judge_500(reply)) is not None:
            return ruling
    return _allowed(reply.status, retried)


def is_failed_test(answer: Answer, sent: PatchType) -> bool:
    """Tell the 422 of a JSON Patch that does not fit the object (any more).

    A `test` that failed, a path that is missing and a parent that is missing are answered alike,
    without a cause; a value that the server does not accept has causes.
    """
    return sent is PatchType.JSON and answer.status == 422 and not answer.causes  # noqa: PLR2004


def is_owned_by(reply: Reply, manager: str) -> bool:
    """Tell whether an apply was refused for fields of `manager` alone."""
    owners = reply.owners if isinstance(reply, Answer) else ()
    return bool(owners) and all(owner.startswith(f'conflict with "{manager}"') for owner in owners)


def may_be_starting(answer: Answer) -> bool:
    """Tell the refusals of a server that knows neither rights nor custom kinds yet."""
    return answer.status == 403 or (answer.status == 404 and not is_gone(answer))  # noqa: PLR2004


def is_gone(answer: Answer) -> bool:
    """Tell a missing object from a kind or a path that the server does not serve."""
    return answer.status == 404 and answer.is_status and bool(answer.about)  # noqa: PLR2004 - HTTP


def _judge_500(answer: Answer) -> Ruling | None:
    """A 500 is final, unless it says otherwise or is no word of the API server's own."""
    if answer.reason == "ServerTimeout" or answer.retry_after_seconds is not None:
        return _RETRY
    text = answer.wording.lower()
    if not answer.is_status or any(phrase in text for phrase in _UNSURE_500):
        return _IN_DOUBT
    return None


def _allowed(status: int, retried: Collection[int]) -> Ruling:
    """Apply the plan's say: a status that it does not list is final, one it adds is sent again.

    What is in doubt is not the plan's to say: it is read, and sent again where nothing arrived.
    """
    ruling = TABLE.get(status, _REJECTED)
    match ruling.verdict:
        case Verdict.RETRY if status not in retried:
            return _REJECTED
        case Verdict.STOP if status in retried:
            return _IN_DOUBT if status >= 500 else _RETRY  # noqa: PLR2004 - the 5xx class of HTTP
        case _:
            return ruling
