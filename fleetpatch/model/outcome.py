"""The outcome of a target, and its reason.

`OUTCOME_OF` maps every reason to its outcome. A target without an outcome is *pending*, or *in
doubt* if it was claimed already (`fleetpatch.journal`).
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

import msgspec

from fleetpatch.model.bounds import Count, Duration
from fleetpatch.model.fields import Fields
from fleetpatch.model.target import TargetId


class Outcome(StrEnum):
    """How a target ended."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    FAILED = "failed"


class Reason(StrEnum):
    """The reason of an outcome, grouped by outcome; an interface (docs/reference.md)."""

    PATCHED = "patched"
    SETTLED_BY_READING = "settled-by-reading"
    DRY_RUN = "dry-run"

    ALREADY_SET = "already-set"

    GONE = "gone"
    REPLACED = "replaced"
    DRIFTED = "drifted"
    NO_LONGER_MATCHES = "no-longer-matches"
    CLASH = "clash"
    EXISTS = "exists"
    INAPPLICABLE = "inapplicable"
    OWNED = "owned"
    UNREADABLE = "unreadable"

    REJECTED = "rejected"
    FORBIDDEN = "forbidden"
    CONFLICT = "conflict"
    EXHAUSTED = "exhausted"
    WEBHOOK_UNREACHABLE = "webhook-unreachable"
    NOT_EFFECTIVE = "not-effective"


OUTCOME_OF = MappingProxyType(
    {
        Reason.PATCHED: Outcome.APPLIED,
        Reason.SETTLED_BY_READING: Outcome.APPLIED,
        Reason.DRY_RUN: Outcome.APPLIED,
        Reason.ALREADY_SET: Outcome.UNCHANGED,
        Reason.GONE: Outcome.SKIPPED,
        Reason.REPLACED: Outcome.SKIPPED,
        Reason.DRIFTED: Outcome.SKIPPED,
        Reason.NO_LONGER_MATCHES: Outcome.SKIPPED,
        Reason.CLASH: Outcome.SKIPPED,
        Reason.EXISTS: Outcome.SKIPPED,
        Reason.INAPPLICABLE: Outcome.SKIPPED,
        Reason.OWNED: Outcome.SKIPPED,
        Reason.UNREADABLE: Outcome.SKIPPED,
        Reason.REJECTED: Outcome.FAILED,
        Reason.FORBIDDEN: Outcome.FAILED,
        Reason.CONFLICT: Outcome.FAILED,
        Reason.EXHAUSTED: Outcome.FAILED,
        Reason.WEBHOOK_UNREACHABLE: Outcome.FAILED,
        Reason.NOT_EFFECTIVE: Outcome.FAILED,
    }
)


class Settlement(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The result of one target, as the run file records it, once.

    - `http_status`: of the last answer; None if there was none.
    - `attempts`, `reads`: the number of PATCHes, and of GETs between them.
    - `resource_version`: the object's after our change, if known.
    - `detail`: one line for people: a server's message, or the planned, current and wanted values
      of a drifted field.
    - `replaced`: the values that our change replaced, if they differ from the planned ones.
    - `wrote`: the values of the wanted fields now, if the server stored others than wanted.

    Undo needs `replaced` and `wrote`.
    """

    target: TargetId
    reason: Reason
    http_status: Count | None = None
    attempts: Count = 0
    reads: Count = 0
    elapsed_ms: Duration = 0.0
    resource_version: str | None = None
    detail: str = ""
    replaced: Fields | None = None
    wrote: Fields | None = None

    @property
    def outcome(self) -> Outcome:
        """The outcome of `reason`."""
        return OUTCOME_OF[self.reason]


def by_outcome(counts: Mapping[Reason, int]) -> dict[Outcome, dict[Reason, int]]:
    """Group the numbers of reasons by outcome, both in the order of their enums, without zeros."""
    return {
        outcome: inner
        for outcome in Outcome
        if (inner := {r: n for r in Reason if OUTCOME_OF[r] is outcome and (n := counts.get(r))})
    }
