"""What to do with a target once its object has been read, or has come back from a PATCH.

The order of the questions matters. Identity first: a recreated object is never touched. Then
whether the fields at stake could be read. Then
whether the wanted values hold: if so there is nothing left to do, whoever did it. Then drift, which
names the field at stake, and last the selector, which our own patch may have made untrue; a plan
that overwrites drift still answers to the selector.

A patch that must not be done twice (`is_repeatable`) asks more: it is sent only where every field
is as planned, and once it may have been applied, what it cannot account for is left alone even by a
plan that overwrites.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from fleetpatch.model.change import (
    BodyPatch,
    Change,
    PatchType,
    PlanChange,
    Restoration,
    is_repeatable,
)
from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import ABSENT, Fields, Path, Value, is_obstructed, look_up, show
from fleetpatch.model.outcome import Reason
from fleetpatch.model.target import Seen, Target
from fleetpatch.rules.covering import holds, is_made_of
from fleetpatch.rules.planner import Misfit, Patch, Unchanged, goal, need
from fleetpatch.rules.strategy import MergeRules, merge_rules


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
    """The values about to be replaced, where they are not the planned ones.

    So where drift is overwritten, and where somebody set some of the wanted values meanwhile.
    """


Step: TypeAlias = End | Send


def after_read(
    target: Target,
    change: Change,
    seen: Seen | None,
    *,
    matches: bool,
    sent: bool,
    on_drift: OnDrift,
    release: str = "",
) -> Step:
    """Decide after a read; `seen` is None where the object is gone.

    `matches` tells whether a block that selected the target still does; `sent` whether a PATCH of
    ours may have reached the server: values that hold then count as applied, not as unchanged.
    `release` is the server's ("1.20"), which tells how it merges.
    """
    if seen is None:
        return End(Reason.GONE)
    if seen.uid != target.uid:
        return End(Reason.REPLACED, f"uid is {seen.uid}, was {target.uid} when planned")
    values = goal(change, target)
    if not seen.is_readable_at({*values, *target.before}):
        return End(Reason.UNREADABLE, _unreadable(seen, sent=sent))
    found = _found(values, seen)
    done = Reason.SETTLED_BY_READING if sent else Reason.ALREADY_SET
    if not _missed(values, found, holds):
        return End(done, "", seen.resource_version, _unless_same(found, values))
    repeatable = is_repeatable(change)
    drift = _drift(target.before, values, seen, half_done_is_fine=repeatable)
    if not drift:
        if not matches:
            return _NO_LONGER_MATCHES
        current = _found(target.before, seen)
        return Send(values, seen.resource_version, _unless_same(current, target.before))
    if on_drift is OnDrift.SKIP or isinstance(change, Restoration) or (sent and not repeatable):
        return End(Reason.DRIFTED, drift)
    rules = merge_rules(target.resource, release)
    return _overwrite(change, seen, rules, matches=matches, done=done)


def after_patch(
    change: Change, values: Fields, known_version: str, seen: Seen, *, dry_run: bool = False
) -> End:
    """Decide after a 200: done, already so, or taken by the server without effect.

    `known_version` is the object's before the patch, as far as we know.
    """
    found = _found(values, seen)
    # A patch that changes nothing leaves the version as it was.
    untouched = known_version == seen.resource_version and not dry_run
    if not seen.is_readable_at(values):
        return _taken(seen, untouched=untouched, dry_run=dry_run)
    missed = _missed(values, found, is_made_of)
    if missed and not _is_left_to_server(change, missed, untouched=untouched):
        lines = (
            f"{show(path)} is {_quote(found[path])}, wanted {_quote(value)}"
            for path, value in missed.items()
        )
        return End(Reason.NOT_EFFECTIVE, "; ".join(lines), seen.resource_version)
    return _taken(seen, _unless_same(found, values), untouched=untouched, dry_run=dry_run)


def _taken(seen: Seen, wrote: Fields | None = None, *, untouched: bool, dry_run: bool) -> End:
    """The server took the patch."""
    if dry_run:
        return End(Reason.DRY_RUN)
    reason = Reason.ALREADY_SET if untouched else Reason.PATCHED
    return End(reason, "", seen.resource_version, wrote)


_MERGED_BY_SCHEMA: Final = frozenset({PatchType.STRATEGIC, PatchType.APPLY})
_NO_LONGER_MATCHES = End(Reason.NO_LONGER_MATCHES, "the plan's selector matches it no longer")


def _unreadable(seen: Seen, *, sent: bool) -> str:
    return f"{seen.unreadable}; our change may be in it" if sent else seen.unreadable


def _overwrite(
    change: PlanChange, seen: Seen, rules: MergeRules, *, matches: bool, done: Reason
) -> Step:
    """Plan the object anew, from what it holds now."""
    match need(change, seen, rules):
        case Unchanged():
            return End(done, resource_version=seen.resource_version)
        case _ if not matches:
            return _NO_LONGER_MATCHES
        case Misfit(reason=reason, detail=detail):
            return End(reason, detail)
        case Patch(before=replaces, wanted=values):
            return Send(values, seen.resource_version, replaces)


def _is_left_to_server(change: Change, missed: Fields, *, untouched: bool) -> bool:
    """Tell whether what we miss may be right all the same.

    Which lists a strategic merge or an apply merges, and by which key, is the server's to know.
    """
    if not (isinstance(change, BodyPatch) and change.type in _MERGED_BY_SCHEMA):
        return False
    return not untouched or all(isinstance(value, list) for value in missed.values())


def _found(values: Fields, seen: Seen) -> Fields:
    document = seen.document()
    return {path: look_up(document, path) for path in values}


def _missed(values: Fields, found: Fields, is_there: Callable[[Value, Value], bool]) -> Fields:
    """The wanted values that are not there."""
    return {path: value for path, value in values.items() if not is_there(found[path], value)}


def _unless_same(found: Fields, values: Fields) -> Fields | None:
    return None if deep_equal(found, values) else found


def _drift(before: Fields, values: Fields, seen: Seen, *, half_done_is_fine: bool) -> str:
    """Name the fields that are not as planned; empty where there are none.

    Where half-done is fine, those that are as wanted are left out.
    """
    document = seen.document()

    def drifted(path: Path, planned: Value, current: Value, wanted: Value) -> bool:
        if is_obstructed(document, path):
            return True
        return not deep_equal(current, planned) and not (
            half_done_is_fine and is_made_of(current, wanted)
        )

    return "; ".join(
        f"{show(path)} was {_quote(planned)} when planned, is {_quote(current)},"
        f" wanted {_quote(wanted)}"
        for path, planned in before.items()
        if drifted(
            path,
            planned,
            current := look_up(document, path),
            wanted := values.get(path, planned),
        )
    )


def _quote(value: Value) -> str:
    return "absent" if value is ABSENT else repr(value)
