"""The results of one attempt at a target: it settles or defers the target, or can be repeated."""

from typing import NamedTuple, TypeAlias

import msgspec

from fleetpatch.model.answer import Reply
from fleetpatch.model.cause import Cause
from fleetpatch.model.change import PatchType
from fleetpatch.model.outcome import Reason, Settlement
from fleetpatch.model.target import Target
from fleetpatch.rules.answers.verdicts import Verdict


class Deferred(msgspec.Struct, frozen=True):
    """The target stays open, until the run is resumed.

    `cause` is None if a shutdown was requested. `stops_lane`: no other target of the cluster can
    be patched either. `in_doubt`: a PATCH of ours may have reached the server. `unanswered`: the
    server did not answer, or failed, at every attempt.
    """

    cause: Cause | None = None
    stops_lane: bool = False
    in_doubt: bool = True
    unanswered: bool = False


class Retryable(msgspec.Struct, frozen=True):
    """The attempt settled nothing and may be repeated.

    `reason` is how the target ends if no attempt is left. `pause` is the least first wait, in
    seconds, after which a retry can succeed.
    """

    reply: Reply
    verdict: Verdict
    reason: Reason = Reason.EXHAUSTED
    pause: float = 0.0


class Unjudged(NamedTuple):
    """A reply that does not show the object as patched, and the type of the patch sent for it."""

    reply: Reply
    patch_type: PatchType


AttemptResult: TypeAlias = Settlement | Deferred | Retryable


class RetryRecord(msgspec.Struct, frozen=True):
    """An attempt that will be repeated after `wait` seconds, for log, progress and limits.

    `attempt` counts from 1. `reason` is how the target ends if no attempt is left.
    """

    target: Target
    attempt: int
    http_status: int | None
    verdict: Verdict
    detail: str
    wait: float
    reason: Reason = Reason.EXHAUSTED

    @property
    def reply_line(self) -> str:
        """The reply, in one line."""
        return f"{self.http_status or ''} {self.detail}".strip()
