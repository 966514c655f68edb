"""What an answer to a PATCH means.

`TABLE` has a ruling for every status from 100 to 599. `judge` looks at the rest of the answer where
the status is not enough. A status that no row names is final, since retries of an unknown refusal
would only load the server. Unknown 5xx are the exception: a server or a proxy failed at an unknown
moment, so the target is in doubt and is read.
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
    """The credentials have expired; get new ones, then send again."""
    STOP = "stop"
    """Final; the ruling's reason says how the target ends."""
    IN_DOUBT = "in doubt"
    """It may have been applied; read it and decide."""


SERVER_FAULTS: Final = frozenset({Verdict.RETRY, Verdict.IN_DOUBT})
"""Verdicts for which the server is the cause: it is busy or fails."""


WEBHOOK_PAUSE: Final = 2.0
"""Seconds before the first retry after an admission webhook could not be reached.

Its process restarts, or its certificate is replaced, within seconds to minutes. The first pauses of
the usual backoff are fractions of a second and would use up all attempts before that.
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
    """Statuses with one ruling, as docs/reference.md shows them."""

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
    # A load balancer reports a closed connection: the server may have received the request.
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
"""The first row that contains a status decides, so the rows for all other statuses come last."""

TABLE = MappingProxyType(
    {
        status: next(row.ruling for row in ROWS if status in row.statuses)
        for status in range(100, 600)
    }
)


def judge(reply: Reply, retried: Collection[int]) -> Ruling:
    """Return the ruling on `reply`; `retried` are the statuses that the plan retries."""
    match reply:
        # The order matters: the first cases know more about the answer than its status.
        case NoAnswer(silence=Silence.UNREACHABLE):
            # No connection was made, so the server cannot have applied the patch.
            return _RETRY
        case NoAnswer():
            return _IN_DOUBT
        case Answer(status=200, seen=None):
            return _IN_DOUBT
        case Answer() if is_denial(reply):
            # A webhook may deny with any status, also with one that is usually retried.
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
    """Report whether this is the 422 of a JSON Patch that does not fit the object.

    A `test` that failed, a missing path and a missing parent get the same answer, without causes.
    For a value that the server does not accept, the answer has causes.
    """
    return sent is PatchType.JSON and answer.status == 422 and not answer.causes  # noqa: PLR2004


def is_owned_by(reply: Reply, manager: str) -> bool:
    """Report whether an apply was refused for fields of `manager` only."""
    owners = reply.owners if isinstance(reply, Answer) else ()
    return bool(owners) and all(owner.startswith(f'conflict with "{manager}"') for owner in owners)


def may_be_starting(answer: Answer) -> bool:
    """Report whether a server that is starting may have sent this refusal.

    It has not loaded RBAC rules and custom resource definitions yet, so it answers 403 or 404.
    """
    if is_denial(answer):
        return False
    return answer.status == 403 or (answer.status == 404 and not is_gone(answer))  # noqa: PLR2004


def is_gone(answer: Answer) -> bool:
    """Report whether an object is missing; a 404 may also be about a path that is not served."""
    return answer.status == 404 and answer.is_status and bool(answer.about)  # noqa: PLR2004 - HTTP


def _judge_500(answer: Answer) -> Ruling | None:
    """Return the ruling on a 500, or None for one that is final.

    A 500 that is not a Status is the answer of a proxy: the API server may have applied the patch.
    """
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
    """Apply `retry.statuses` of the plan: an unlisted status is final, an added one is retried.

    The plan cannot change what is in doubt: it is read, and sent again where nothing arrived.
    """
    ruling = TABLE.get(status, _REJECTED)
    match ruling.verdict:
        case Verdict.RETRY if status not in retried:
            return _REJECTED
        case Verdict.STOP if status in retried:
            return _IN_DOUBT if status >= 500 else _RETRY  # noqa: PLR2004 - the 5xx class of HTTP
        case _:
            return ruling
