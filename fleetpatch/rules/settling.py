"""What to do with a target once its object has been read, or has come back from a PATCH.

The order of the questions matters. Identity first: a recreated object is never touched. Then
whether the wanted values hold: if so there is nothing left to do, whoever did it. Then drift, which
names the field at stake, and last the selector, which our own patch may have made untrue; a plan
that overwrites drift still answers to the selector.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from fleetpatch.model.change import Change
from fleetpatch.model.fields import ABSENT, Fields, Value, show
from fleetpatch.model.outcome import Reason
from fleetpatch.model.target import Seen, Target
from fleetpatch.rules.planner import Clash, Patch, Unchanged, need, wanted


class OnDrift(StrEnum):
    """What to do with a field that changed since it was planned (`guards.onDrift`)."""

    SKIP = "skip"
    OVERWRITE = "overwrite"


@dataclass(frozen=True, slots=True)
class End:
    """The target is settled."""

    reason: Reason
    detail: str = ""
    resource_version: str | None = None


@dataclass(frozen=True, slots=True)
class Send:
    """Send (again): `goal` is to hold, guarded by this version."""

    goal: Fields
    resource_version: str


Step: TypeAlias = End | Send


def after_read(
    target: Target,
    change: Change,
    seen: Seen | None,
    *,
    matches: bool,
    sent: bool,
    on_drift: OnDrift,
) -> Step:
    """Decide after a read; `seen` is None where the object is gone.

    `matches` tells whether a block that selected the target still does; `sent` whether a PATCH of
    ours may have reached the server: values that hold then count as applied, not as unchanged.
    """
    if seen is None:
        return End(Reason.GONE)
    if seen.uid != target.uid:
        return End(Reason.REPLACED, f"uid is {seen.uid}, was {target.uid} when planned")
    goal = wanted(change, target.before)
    done = Reason.SETTLED_BY_READING if sent else Reason.ALREADY_SET
    if holds(goal, seen):
        return End(done, resource_version=seen.resource_version)
    drift = _drift(target.before, goal, seen)
    if drift and on_drift is OnDrift.SKIP:
        return End(Reason.DRIFTED, drift)
    anew = need(change, seen) if drift else Patch(target.before, goal)
    match anew:
        case Unchanged():
            return End(done, resource_version=seen.resource_version)
        case _ if not matches:
            return End(Reason.NO_LONGER_MATCHES, "the plan's selector matches it no longer")
        case Clash(detail=detail):
            return End(Reason.CLASH, detail)
        case Patch(wanted=goal):
            return Send(goal, seen.resource_version)


def after_patch(goal: Fields, known_version: str, seen: Seen, *, dry_run: bool = False) -> End:
    """Decide after a 200: done, already so, or taken by the server without effect.

    `known_version` is the object's before the patch, as far as we know.
    """
    if missed := [
        f"{show(path)} is {_quote(seen.value(path))}, wanted {_quote(value)}"
        for path, value in goal.items()
        if seen.value(path) != value
    ]:
        return End(Reason.NOT_EFFECTIVE, "; ".join(missed), seen.resource_version)
    if dry_run:
        return End(Reason.DRY_RUN)
    # A patch that changes nothing leaves the version as it was.
    untouched = known_version == seen.resource_version
    return End(
        Reason.ALREADY_SET if untouched else Reason.PATCHED, resource_version=seen.resource_version
    )


def holds(goal: Fields, seen: Seen) -> bool:
    """Tell whether every wanted value is there."""
    return all(seen.value(path) == value for path, value in goal.items())


def _drift(before: Fields, goal: Fields, seen: Seen) -> str:
    """Name the fields that are neither as planned nor as wanted; empty where there are none."""
    return "; ".join(
        f"{show(path)} was {_quote(planned)} when planned, is {_quote(current)},"
        f" wanted {_quote(goal.get(path, planned))}"
        for path, planned in before.items()
        if (current := seen.value(path)) not in (planned, goal.get(path, planned))
    )


def _quote(value: Value) -> str:
    return "absent" if value is ABSENT else repr(value)
