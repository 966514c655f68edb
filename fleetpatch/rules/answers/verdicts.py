"""The meaning of an answer to a PATCH, by its status, or by its content if that is not enough.

Which statuses are retried is defined in `model.plan.retry`, because a plan chooses among them.
`TABLE` has a ruling for every status from 100 to 599. `judge` also uses the rest of the answer. A
status without a row of its own is final, because retries of an unknown refusal would only load the
server. Unknown 5xx are the exception: a server or a proxy failed at an unknown moment, so the
target is in doubt and is read.
"""

from collections.abc import Collection
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import msgspec

from fleetpatch.model.answer import Answer, NoAnswer, Reply, Silence
from fleetpatch.model.change import PatchType
from fleetpatch.model.outcome import Reason
from fleetpatch.model.plan.retry import RETRIED
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
    """The credentials were not accepted; renew them, then send again."""
    STOP = "stop"
    """Final; the target ends with the reason of the ruling."""
    IN_DOUBT = "in doubt"
    """The patch may have been applied; read the object and decide."""


SERVER_FAULTS: Final = frozenset({Verdict.RETRY, Verdict.IN_DOUBT})
"""The verdicts on a server that is busy or fails; the breaker counts them."""

WEBHOOK_PAUSE: Final = 2.0
"""Seconds before the first retry after an admission webhook could not be reached.

Its process restarts, or its certificate is replaced, within seconds to minutes. The first pauses of
the usual backoff are fractions of a second and would use up all attempts before that.
"""


class Ruling(msgspec.Struct, frozen=True):
    """A verdict, and how a target with it ends.

    - `reason`: of the end, at once for STOP, otherwise when the attempts are used up.
    - `pause`: the shortest useful first wait before a retry, in seconds.
    """

    verdict: Verdict
    reason: Reason = Reason.EXHAUSTED
    pause: float = 0.0


class StatusRow(msgspec.Struct, frozen=True):
    """Statuses with the same ruling; `shown` and `meaning` are a row of docs/reference.md."""

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
    # A patch never creates an object (201) and is not carried out later (202). An answer without
    # the object (204) does not show what was stored.
    StatusRow(
        "201, 202, 204 and other 2xx; a 200 without an object",
        range(201, 300),
        _IN_DOUBT,
        "in doubt: the object is read",
    ),
    StatusRow(
        "401",
        {401},
        Ruling(Verdict.RENEW),
        "the credentials are renewed and the PATCH is sent again; after a second 401 the lane of"
        " the cluster stops, and the run pauses",
    ),
    StatusRow("403", {403}, _FORBIDDEN, "`failed: forbidden`"),
    StatusRow(
        "404",
        {404},
        _GONE,
        "`skipped: gone`; if it does not name the object, as for a kind or a path that is not"
        " served: `failed: rejected`",
    ),
    StatusRow(
        ", ".join(map(str, RETRIED)),
        RETRIED,
        _RETRY,
        "sent again, if `retry.statuses` lists the status (the default lists all of these), else"
        " `failed: rejected`; a 413 with a Retry-After is sent again, too",
    ),
    StatusRow(
        "409",
        {409},
        _CONFLICT,
        "the object is read, which decides (docs/architecture.md); if another manager owns a field"
        " of an apply: `skipped: owned`",
    ),
    StatusRow(
        "422",
        {422},
        _REJECTED,
        "`failed: rejected`; if `metadata.uid` is the cause: `skipped: replaced`; after a JSON"
        " Patch, without causes: the object is read, and `failed: rejected` only if its version is"
        " the tested one",
    ),
    # A load balancer saw that a connection was closed: the server may have received the request.
    StatusRow("460, 499", {460, 499}, _IN_DOUBT, "sent by a gateway; in doubt: the object is read"),
    StatusRow(
        "500",
        {500},
        _REJECTED,
        "`failed: rejected`, unless its text has another meaning (below); sent again, if it has"
        " `retryAfterSeconds`, a Retry-After or the reason `ServerTimeout`; in doubt, if it is not"
        " a Status",
    ),
    StatusRow(
        "501, 505, 507, and all other 3xx and 4xx",
        {*range(100, 200), *range(300, 500), 501, 505, 507},
        _REJECTED,
        "`failed: rejected`",
    ),
    StatusRow(
        "502, 504, 520 to 530 and all other 5xx",
        range(500, 600),
        _IN_DOUBT,
        "in doubt: the object is read",
    ),
)
"""The first row that contains a status decides, so the rows with ranges come last."""

TABLE = MappingProxyType(
    {
        status: next(row.ruling for row in ROWS if status in row.statuses)
        for status in range(100, 600)
    }
)


def judge(reply: Reply, retried: Collection[int]) -> Ruling:
    """Return the ruling on `reply`; `retried` are the statuses that the plan retries."""
    match reply:
        # The order matters: the first cases use more of the answer than its status.
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
            # It is about a path or a kind, so it does not show that the object is gone.
            return _REJECTED
        case Answer(status=409, owners=owners) if owners:
            return _OWNED
        case Answer(status=413, retry_after=after) if after is not None:
            # A temporary limit (RFC 9110, 15.5.14); without the header the body is too large.
            return _RETRY
        case Answer(status=422, causes=causes) if "metadata.uid" in causes:
            return _REPLACED
        case Answer(status=500) if (ruling := _judge_500(reply)) is not None:
            return ruling
    return _allowed(reply.status, retried)


def is_failed_test(answer: Answer, sent: PatchType) -> bool:
    """Return whether this is the 422 to a JSON Patch that does not fit the object.

    A failed `test`, a missing path and a missing parent all get the same answer, without causes.
    The answer to a value that is not valid has causes.
    """
    return sent is PatchType.JSON and answer.status == 422 and not answer.causes  # noqa: PLR2004


def is_owned_by(reply: Reply, manager: str) -> bool:
    """Return whether an apply was refused only for fields that `manager` owns."""
    owners = reply.owners if isinstance(reply, Answer) else ()
    return bool(owners) and all(owner.startswith(f'conflict with "{manager}"') for owner in owners)


def may_be_starting(answer: Answer) -> bool:
    """Return whether a server that is still starting may have sent this refusal.

    Until it has loaded its RBAC rules and custom resource definitions, it answers 403 or 404.
    """
    if is_denial(answer):
        return False
    return answer.status == 403 or (answer.status == 404 and not is_gone(answer))  # noqa: PLR2004


def is_gone(answer: Answer) -> bool:
    """Return whether the object does not exist; a 404 may also be about a path or a kind."""
    return answer.status == 404 and answer.is_status and bool(answer.about)  # noqa: PLR2004 - HTTP


def _judge_500(answer: Answer) -> Ruling | None:
    """Return the ruling on a 500, or None if it is final.

    A proxy sends a 500 that is not a Status: the API server may have applied the patch.
    """
    match meaning_of(answer.wording) if answer.is_status else Meaning.MAY_BE_STORED:
        case Meaning.WEBHOOK_UNREACHABLE:
            return _WEBHOOK_UNREACHABLE
        case Meaning.NOT_STORED:
            return _RETRY
        # The server itself says that the request can be repeated.
        case _ if answer.reason == "ServerTimeout" or _asks_to_retry(answer):
            return _RETRY
        case Meaning.MAY_BE_STORED:
            return _IN_DOUBT
        case None:
            return None


def _asks_to_retry(answer: Answer) -> bool:
    """Return whether a Status asks for another attempt, in its body or in the header."""
    times = (answer.retry_after_seconds, answer.retry_after)
    return answer.is_status and any(one is not None for one in times)


def _allowed(status: int, retried: Collection[int]) -> Ruling:
    """Apply `retry.statuses` of the plan: an unlisted status is final, an added one is retried.

    The plan cannot change the rulings "in doubt": such a target is always read first.
    """
    ruling = TABLE.get(status, _REJECTED)
    match ruling.verdict:
        case Verdict.RETRY if status not in retried:
            return _REJECTED
        case Verdict.STOP if status in retried:
            # A 5xx does not show that the patch was not applied, so the object is read first.
            return _IN_DOUBT if status >= 500 else _RETRY  # noqa: PLR2004 - the 5xx class of HTTP
        case _:
            return ruling
