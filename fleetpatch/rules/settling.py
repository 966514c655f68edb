"""What to do with a target once its object has been read, or has come back from a PATCH.

The order of the questions matters. Identity first: a recreated object is never touched. Then
whether the wanted values hold: if so there is nothing left to do, whoever did it. Then drift, which
names the field at stake, and last the selector, which our own patch may have made untrue; a plan
that overwrites drift still answers to the selector.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from fleetpatch.model.change import BodyPatch, Change, PatchType, PlanChange, Restoration
from fleetpatch.model.fields import ABSENT, Fields, Value, look_up, show
from fleetpatch.model.outcome import Reason
from fleetpatch.model.target import Seen, Target
from fleetpatch.rules.planner import Clash, Patch, Unchanged, goal, need


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
    wrote: Fields | None = None
    """What the wanted fields hold now, where it is not what was wanted but what the server made."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send (again): `goal` is to hold, guarded by this version."""

    goal: Fields
    resource_version: str
    replaces: Fields | None = None
    """The values about to be replaced, where they are not the planned ones (onDrift: overwrite)."""


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
    values = goal(change, target)
    done = Reason.SETTLED_BY_READING if sent else Reason.ALREADY_SET
    if _holds(values, seen):
        return End(done, resource_version=seen.resource_version)
    drift = _drift(target.before, values, seen)
    if not drift:
        if not matches:
            return _NO_LONGER_MATCHES
        return Send(values, seen.resource_version)
    if on_drift is OnDrift.SKIP or isinstance(change, Restoration):
        return End(Reason.DRIFTED, drift)
    return _overwrite(change, seen, matches=matches, done=done)


def after_patch(
    change: Change, values: Fields, known_version: str, seen: Seen, *, dry_run: bool = False
) -> End:
    """Decide after a 200: done, already so, or taken by the server without effect.

    `known_version` is the object's before the patch, as far as we know.
    """
    missed = _missed(values, seen)
    wrote = None
    if missed and _is_approximate(change):
        wrote = {path: seen.value(path) for path in values}
    elif missed:
        return End(Reason.NOT_EFFECTIVE, "; ".join(missed), seen.resource_version)
    if dry_run:
        return End(Reason.DRY_RUN)
    # A patch that changes nothing leaves the version as it was.
    untouched = known_version == seen.resource_version
    reason = Reason.ALREADY_SET if untouched else Reason.PATCHED
    return End(reason, resource_version=seen.resource_version, wrote=wrote)


_NO_LONGER_MATCHES = End(Reason.NO_LONGER_MATCHES, "the plan's selector matches it no longer")


def _overwrite(change: PlanChange, seen: Seen, *, matches: bool, done: Reason) -> Step:
    """Plan the object anew, from what it holds now."""
    match need(change, seen):
        case Unchanged():
            return End(done, resource_version=seen.resource_version)
        case _ if not matches:
            return _NO_LONGER_MATCHES
        case Clash(detail=detail):
            return End(Reason.CLASH, detail)
        case Patch(before=replaces, wanted=values):
            return Send(values, seen.resource_version, replaces)


def _is_approximate(change: Change) -> bool:
    """Tell whether only the server knows what the patch comes to."""
    return isinstance(change, BodyPatch) and change.type is PatchType.STRATEGIC


def _holds(values: Fields, seen: Seen) -> bool:
    document = seen.document()
    return all(look_up(document, path) == value for path, value in values.items())


def _missed(values: Fields, seen: Seen) -> list[str]:
    document = seen.document()
    return [
        f"{show(path)} is {_quote(current)}, wanted {_quote(value)}"
        for path, value in values.items()
        if (current := look_up(document, path)) != value
    ]


def _drift(before: Fields, values: Fields, seen: Seen) -> str:
    """Name the fields that are neither as planned nor as wanted; empty where there are none."""
    document = seen.document()
    return "; ".join(
        f"{show(path)} was {_quote(planned)} when planned, is {_quote(current)},"
        f" wanted {_quote(values.get(path, planned))}"
        for path, planned in before.items()
        if (current := look_up(document, path)) not in (planned, values.get(path, planned))
    )


def _quote(value: Value) -> str:
    return "absent" if value is ABSENT else repr(value)
