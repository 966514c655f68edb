"""What a verification of a run found: whether the applied values are still there.

A controller, a GitOps agent or a webhook may put a value back minutes after it was applied. A
verification reads the objects again, and changes nothing.
"""

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from fleetpatch.model.fields import Json
from fleetpatch.model.target import Target, identity_as_json
from fleetpatch.model.times import rfc3339

MANAGERS_KEPT: Final = 50
"""Entries of `Verification.managers`; the others are added up in one without a name."""


class VerifyResult(StrEnum):
    """What a verification found of one applied target; an interface (docs/reference.md)."""

    HOLDS = "holds"
    """All fields have the values that the run left."""
    REVERTED = "reverted"
    """A field has its value from before the change again."""
    CHANGED = "changed"
    """A field has another value: neither what the run left nor what was there before."""
    GONE = "gone"
    """The object does not exist any more."""
    REPLACED = "replaced"
    """An object of the same name was created since."""
    UNREAD = "unread"
    """The object or its fields could not be read."""


class Verified(msgspec.Struct, frozen=True):
    """What a verification found of one target.

    `manager` is the field manager that owns the field now, and `since` the time of its last write,
    in seconds since the epoch, as `metadata.managedFields` shows them. Both are empty if it does
    not show them: a removal leaves no trace. `detail` is one line for people.
    """

    result: VerifyResult
    manager: str = ""
    since: float | None = None
    detail: str = ""


class VerifiedTarget(msgspec.Struct, frozen=True):
    """A target, and what a verification found of it."""

    target: Target
    verified: Verified


class OwnerCount(msgspec.Struct, frozen=True):
    """How many targets with a result have a field that `manager` owns now; "" if none is known.

    `first` and `last` are the times of the first and the last of these writes, if they are known.
    """

    result: VerifyResult
    manager: str
    count: int
    first: float | None = None
    last: float | None = None


class Verification(msgspec.Struct, frozen=True):
    """The latest verification of a run.

    `began_at` and `ended_at` are in seconds since the epoch, `by` is `user@host`. `wave` is the
    number of the wave that was verified, from 1; run files have 0 for the whole run. `clusters` has
    the number of each result by cluster, without zeros. `managers` has the owners of the fields,
    the most frequent first.
    """

    began_at: float
    ended_at: float
    by: str
    clusters: Mapping[str, Mapping[VerifyResult, int]]
    managers: tuple[OwnerCount, ...] = ()
    wave: int = 0

    @property
    def counts(self) -> dict[VerifyResult, int]:
        """The number of each result, zeros included."""
        total: Counter[VerifyResult] = Counter()
        for counts in self.clusters.values():
            total.update(counts)
        return {result: total[result] for result in VerifyResult}

    @property
    def targets(self) -> int:
        """The number of targets that were verified."""
        return sum(self.counts.values())

    @property
    def all_hold(self) -> bool:
        """Whether all targets have the values that the run left."""
        return self.counts[VerifyResult.HOLDS] == self.targets

    @property
    def reverted(self) -> int:
        """The number of targets that were reverted."""
        return self.counts[VerifyResult.REVERTED]

    @property
    def unread(self) -> int:
        """The number of targets that could not be read."""
        return self.counts[VerifyResult.UNREAD]


def verification_as_json(verification: Verification) -> dict[str, Json]:
    """Render a verification; an interface (docs/reference.md)."""
    return {
        "beganAt": rfc3339(verification.began_at),
        "endedAt": rfc3339(verification.ended_at),
        "by": verification.by,
        "wave": verification.wave or None,
        "targets": verification.targets,
        "results": _results_as_json(verification.counts),
        "byCluster": {
            name: _results_as_json(counts) for name, counts in verification.clusters.items()
        },
        "managers": [
            {
                "result": one.result.value,
                "manager": one.manager,
                "count": one.count,
                "firstAt": rfc3339(one.first),
                "lastAt": rfc3339(one.last),
            }
            for one in verification.managers
        ],
    }


def verified_as_json(one: VerifiedTarget) -> dict[str, Json]:
    """Render one target with what was found of it; an interface (docs/reference.md)."""
    verified = one.verified
    return {
        **identity_as_json(one.target),
        "result": verified.result.value,
        "manager": verified.manager,
        "since": rfc3339(verified.since),
        "detail": verified.detail,
    }


def _results_as_json(counts: Mapping[VerifyResult, int]) -> dict[str, Json]:
    return {result.value: counts.get(result, 0) for result in VerifyResult}
