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
from fleetpatch.rules.answers.server_errors import Meaning, is_denial, meaning_of


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


SERVER_FAULTS: Final = frozenset({Verdict.RETRY, Verdict.IN_DOUBT})
"""Verdicts on a server that is busy or unwell; the others are not its fault."""


WEBHOOK_PAUSE: Final = 2.0
"""Seconds before the second call of an admission webhook that could not be reached.

Its process is started again, or its certificate replaced, within seconds to minutes; the pauses of
a busy server (a fraction of a second at first) would use up all attempts before that.
"""


@dataclass(frozen=True, slots=True)
class Ruling:
    """A verdict; `reason` is how the target ends where it is STOP, or where retries run out.

    `pause` is the shortest first wait that is of use, in seconds.
    """

    verdict: Verdict
    reason: Reason = Reason.EXHAUSTED
    pause: float = 0.0


@dataclass(frozen=True, slots=True)
class StatusRow:
    """Statuses that are ruled alike, as docs/reference.md shows them."""

    shown: str
    statuses: Collection[int]
    ruling: Ruling
    meaning: str


_DONE = Ruling(Verdict.DONE)
_RETRY = Ruling(Verdict.RETRY)
_IN_DOUBT = Ruling(Verdict.IN_DOUBT)
_REJECTED = Ruling(Verdict.STOP, Reason.REJECTED)
_FORBIDDEN = Ruling(Verdict.STOP, Reason.FORBIDDEN)
_GONE = Ruling(Verdict.STOP, Reason.GONE)
_REPLACED = Ruling(Verdict.STOP, Reason.REPLACED)
_OWNED = Ruling(Verdict.STOP, Reason.OWNED)
_CONFLICT = Ruling(Verdict.CONFLICT, Reason.CONFLICT)
_WEBHOOK_UNREACHABLE = Ruling(Verdict.RETRY, Reason.WEBHOOK_UNREACHABLE, WEBHOOK_PAUSE)

ROWS: Final = (
    StatusRow("200", {200}, _DONE, "done, if the wanted values are in the answer"),
    # A patch never creates; a server that says it did (201), will do (202) or has nothing to show
    # (204) must be read.
    StatusRow(
        "201, 202, 204 and other 2xx; a 200 without an object",
        range(201, 300),
        _IN_DOUBT,
        "in doubt: read",
    ),
    StatusRow(
        "401",
        {401},
        Ruling(Verdict.RENEW),
        "credentials are renewed once; at a second 401, or without others to be had, the cluster"
        " is left alone and the run pauses",
    ),
    StatusRow("403", {403}, _FORBIDDEN, "`failed: forbidden`"),
    StatusRow(
        "404",
        {404},
        _GONE,
        "`skipped: gone`; a kind or a path that is not served: `failed: rejected`",
    ),
    StatusRow(
        "408, 425, 429, 503",
        {408, 425, 429, 503},
        _RETRY,
        "sent again, if `retry.statuses` lists it, as it does by default; also a 413 that carries"
        " Retry-After",
    ),
    StatusRow(
        "409",
        {409},
        _CONFLICT,
        "read again, then decided (docs/architecture.md); of an apply over another manager's"
        " field: `skipped: owned`",
    ),
    StatusRow(
        "422",
        {422},
        _REJECTED,
        "`failed: rejected`; on `metadata.uid`: `skipped: replaced`; of a JSON Patch, without a"
        " cause: read again, and rejected only if the object is as tested",
    ),
    # A load balancer's note that somebody hung up: the server may have got the request.
    StatusRow("460, 499", {460, 499}, _IN_DOUBT, "a gateway's: in doubt: read"),
    StatusRow(
        "500",
        {500},
        _REJECTED,
        "`failed: rejected`, unless its text says otherwise (below) or it carries a time to wait;"
        " in doubt where it is no Status",
    ),
    StatusRow(
        "501, 505, 507, and all other 3xx and 4xx",
        {*range(100, 200), *range(300, 500), 501, 505, 507},
        _REJECTED,
        "`failed: rejected`",
    ),
    StatusRow(
        "502, 504, 520 to 530 and all other 5xx", range(500, 600), _IN_DOUBT, "in doubt: read"
    ),
)
"""The first row that has a status counts."""

TABLE = MappingProxyType(
    {
        status: next(row.ruling for row in ROWS if status in row.statuses)
        for status in range(100, 600)
    }
)


def judge(reply: Reply, retried: Collection[int]) -> Ruling:
    """Rule over `reply`; `retried` are the statuses that the plan allows to be sent again."""
    match reply:
        case NoAnswer(silence=Silence.UNREACHABLE):
            return _RETRY
        case NoAnswer():
            return _IN_DOUBT
        case Answer(status=200, seen=None):
            return _IN_DOUBT
        case Answer() if is_denial(reply):
            return _FORBIDDEN if reply.status == 403 else _REJECTED  # noqa: PLR2004 - HTTP
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
    if is_denial(answer):
        return False
    return answer.status == 403 or (answer.status == 404 and not is_gone(answer))  # noqa: PLR2004


def is_gone(answer: Answer) -> bool:
    """Tell a missing object from a kind or a path that the server does not serve."""
    return answer.status == 404 and answer.is_status and bool(answer.about)  # noqa: PLR2004 - HTTP


def _judge_500(answer: Answer) -> Ruling | None:
    """A 500 is final, unless it says otherwise or is no word of the API server's own."""
    match meaning_of(answer.wording) if answer.is_status else Meaning.MAY_BE_STORED:
        case Meaning.WEBHOOK_UNREACHABLE:
            return _WEBHOOK_UNREACHABLE
        case Meaning.NOT_STORED:
            return _RETRY
        case _ if answer.reason == "ServerTimeout" or answer.retry_after_seconds is not None:
            return _RETRY
        case Meaning.MAY_BE_STORED:
            return _IN_DOUBT
        case None:
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
