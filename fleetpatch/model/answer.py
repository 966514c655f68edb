"""The reply to one request: an HTTP answer, or the reason why there is none; and server warnings.

Both are values and not exceptions, a 404 as well as a connection reset: the verdict table
(`fleetpatch.rules.answers.verdicts`) decides what each means.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import ClassVar, Final, TypeAlias

import msgspec

from fleetpatch.model.partial_repr import PartialRepr
from fleetpatch.model.target import Seen

REASONS: Final = frozenset(
    {
        *("Unauthorized", "Forbidden", "NotFound", "AlreadyExists", "Conflict", "Gone", "Invalid"),
        *("ServerTimeout", "StoreReadError", "Timeout", "TooManyRequests", "BadRequest"),
        *("MethodNotAllowed", "NotAcceptable", "RequestEntityTooLarge", "UnsupportedMediaType"),
        *("InternalError", "Expired", "ServiceUnavailable"),
    }
)
"""The reasons of a Status that the Kubernetes API defines (metav1.StatusReason)."""


class Answer(PartialRepr, frozen=True):
    """A complete HTTP answer.

    - `seen`: the object, if the body was one.
    - `is_status`: whether the body was a Status. A proxy's HTML page or a gateway's own error has
      none, and then the fields that come from it are empty.
    - `reason`, `message`: of the Status; `message` is cleaned and cut (`fleetpatch.model.text`).
    - `causes`: the fields named by `details.causes`.
    - `owners`: the causes of an apply conflict, each with its field, such as
      `conflict with "kubectl" using batch/v1: .metadata.labels.app`.
    - `about`, `about_group`, `about_name`: `details.kind`, `.group` and `.name`; of a 404, the
      object that was not found.
    - `retry_after`: the header, unparsed; `retry_after_seconds`: `details.retryAfterSeconds`.
    - `unmasked`: the message before secrets of the request were masked; empty if it quotes none.
    - `secrets`: those of the request, which any field of the object may quote.

    `unmasked`, `causes`, `owners` and `about...` are for decisions only, and must never be shown.
    """

    _printed: ClassVar = ("status", "seen", "reason", "message")

    status: int
    seen: Seen | None = None
    reason: str = ""
    message: str = ""
    causes: tuple[str, ...] = ()
    about: str = ""
    owners: tuple[str, ...] = ()
    is_status: bool = False
    retry_after: str | None = None
    retry_after_seconds: int | None = None
    unmasked: str = ""
    about_group: str = ""
    about_name: str = ""
    secrets: tuple[str, ...] = ()

    @property
    def wording(self) -> str:
        """The message to decide by: masking a secret in it must not change the decision."""
        return self.unmasked or self.message


class Silence(StrEnum):
    """Why no complete answer came."""

    UNREACHABLE = "unreachable"
    """The connection was never made: the request cannot have been delivered."""
    TIMEOUT = "timeout"
    """The answer did not arrive, or not completely, within the time limit."""
    RESET = "reset"
    """The connection broke (reset, EOF, cut short) after it was made."""
    MISDIRECTED = "misdirected"
    """An answer came, but about another object than the request's."""


class NoAnswer(msgspec.Struct, frozen=True):
    """The request got no complete answer; `detail` is one line for people."""

    silence: Silence
    detail: str = ""


Reply: TypeAlias = Answer | NoAnswer


def is_unreachable(reply: Reply) -> bool:
    """Return whether the connection was never made: nothing was delivered."""
    return isinstance(reply, NoAnswer) and reply.silence is Silence.UNREACHABLE


def one_line(reply: Reply) -> str:
    """Return a reply as one line for people: `503 the message`."""
    status, text = status_and_text(reply)
    return f"{status} {text}".strip() if status is not None else text


def one_line_with_reason(reply: Reply) -> str:
    """Return a reply as one line for people: `503 ServiceUnavailable: the message`."""
    if isinstance(reply, NoAnswer):
        return one_line(reply)
    head = f"{reply.status} {reply.reason}".rstrip()
    return f"{head}: {reply.message}" if reply.message else head


def status_and_text(reply: Reply) -> tuple[int | None, str]:
    """Return a reply as (HTTP status or None, one line for people)."""
    match reply:
        case Answer(status=status, reason=reason, message=message):
            return status, message or reason
        # There is no status, but the kind of silence says whether anything was delivered.
        case NoAnswer(silence=silence, detail=detail):
            return None, f"{silence}: {detail}" if detail else str(silence)


MAX_WARNING_TEXTS: Final = 50
"""Distinct texts that a run keeps: a webhook may put each object's name into its warnings."""

OTHER_WARNINGS: Final = "(other warnings)"

NO_WARNINGS: Final[Mapping[str, int]] = MappingProxyType({})


def add_warnings(known: Mapping[str, int], new: Mapping[str, int]) -> dict[str, int]:
    """Add counts by text, in the order in which the texts came.

    Beyond `MAX_WARNING_TEXTS` texts, further ones are counted under `OTHER_WARNINGS`.
    """
    counts = dict(known)
    for text, count in new.items():
        # A known text is counted even when the limit is reached.
        key = text if text in counts or len(counts) < MAX_WARNING_TEXTS else OTHER_WARNINGS
        counts[key] = counts.get(key, 0) + count
    return counts
