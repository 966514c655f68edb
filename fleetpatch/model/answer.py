"""What came back for one request: an answer, or none.

Both are values. A 404 is an answer, a reset is the lack of one, and neither is an exception: the
verdict table (`fleetpatch.rules.answers.verdicts`) decides what each means.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

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


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP answer.

    `seen` is the object where the body was one. `reason`, `message` and `causes` (the fields named
    by `details.causes`) come from a Status body; `is_status` tells whether there was one: a proxy's
    HTML page or a gateway's own error has none. `message` is cleaned of control characters and cut
    at 500 characters. `retry_after` is the header as it came; `retry_after_seconds` is
    `details.retryAfterSeconds` of the body. `about` is `details.kind`: what a 404 did not find.
    `owners` are the causes by which an apply is told of fields that others own, each with its
    field: `conflict with "kubectl" using batch/v1: .metadata.labels.app`. `unmasked` is the message
    before the request's secrets were masked, empty where it quotes none. `about_group` and
    `about_name` are `details.group` and `details.name`. `unmasked`, `causes`, `owners` and what the
    answer is about are for decisions, and must not be shown.
    """

    status: int
    seen: Seen | None = None
    reason: str = ""
    message: str = ""
    causes: tuple[str, ...] = field(default=(), repr=False)
    about: str = field(default="", repr=False)
    owners: tuple[str, ...] = field(default=(), repr=False)
    is_status: bool = False
    retry_after: str | None = None
    retry_after_seconds: int | None = None
    unmasked: str = field(default="", repr=False, compare=False)
    about_group: str = field(default="", repr=False)
    about_name: str = field(default="", repr=False)

    @property
    def wording(self) -> str:
        """The message by which decisions are made: a secret in it must not change them."""
        return self.unmasked or self.message


class Silence(StrEnum):
    """Why no complete answer came."""

    UNREACHABLE = "unreachable"
    """The connection was never made: the request cannot have been delivered."""
    TIMEOUT = "timeout"
    """Nothing, or not all, came within the time allowed."""
    RESET = "reset"
    """The connection broke (reset, EOF, cut short) after it was made."""
    MISDIRECTED = "misdirected"
    """An answer came, but it is about another object than the one that was asked for."""


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The request got no complete answer; `detail` is one line for people."""

    silence: Silence
    detail: str = ""


Reply: TypeAlias = Answer | NoAnswer
