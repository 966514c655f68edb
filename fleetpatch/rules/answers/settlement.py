"""Decide what happens to a target, from its object in a read.

The questions have an order:

1. Identity: a recreated object is never touched.
2. Can the touched fields be read?
3. Do they hold the wanted values? Then the target ends, no matter who wrote them.
4. Drift: does a field hold neither its planned nor its wanted value? The detail names the field.
5. The selector comes last, because our own patch may have changed a label that it uses. It also
   applies to a plan that overwrites drift.

Once a PATCH of ours was sent, wanted values count as our change, whatever the answer was, unless
managedFields name another writer (`fleetpatch.rules.answers.field_owners`). A value that is neither
planned nor wanted is drift: all runs write as the same field manager, so managedFields cannot
distinguish another run from a webhook that changed our PATCH. Such a value is ours only if it is
recorded as ours, or if the answer was lost and another field shows that our PATCH was carried out.

A patch that must not be applied twice (see `is_repeatable`) has stricter rules: it is sent only if
every field is as planned. Once it may have been applied, other values are never overwritten, even
if the plan says so.
"""

from collections.abc import Collection
from typing import Final

from msgspec.structs import replace

from fleetpatch.model.change import (
    FIELD_MANAGER,
    Change,
    PlanChange,
    Restoration,
    is_repeatable,
)
from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import (
    ABSENT,
    Fields,
    Path,
    Value,
    is_obstructed,
    look_up,
    show,
    show_value,
)
from fleetpatch.model.outcome import OUTCOME_OF, Outcome, Reason
from fleetpatch.model.target import Seen, Target
from fleetpatch.rules.answers.attribution import (
    has_only,
    recorded,
    values_of_ours,
    without,
    written_by_others,
)
from fleetpatch.rules.answers.covering import is_stored_form
from fleetpatch.rules.answers.field_owners import other_writer
from fleetpatch.rules.answers.holding import Writers, holder, not_stored
from fleetpatch.rules.answers.spelling import as_stored
from fleetpatch.rules.answers.steps import End, OnDrift, Send, Step, not_effective, unless_same
from fleetpatch.rules.patching.computed import change_of_target
from fleetpatch.rules.patching.merge_rules import MergeRules
from fleetpatch.rules.patching.merging import UNKNOWN, ServerMerging
from fleetpatch.rules.planning.planner import DoesNotFit, NeedsPatch, Unchanged, goal, need

_OURS: Final = frozenset({FIELD_MANAGER})


def after_read(
    target: Target,
    change: Change,
    seen: Seen | None,
    *,
    matches: bool,
    sent: bool,
    on_drift: OnDrift,
    merging: ServerMerging = UNKNOWN,
    managers: Collection[str] = _OURS,
    lost: bool = False,
) -> Step:
    """Decide after a read; `seen` is None if the object is gone.

    - `matches`: a target block of the plan still selects the object.
    - `sent`: a PATCH of ours may have reached the server. Then wanted values count as applied, not
      as unchanged.
    - `merging`: what is known of how the server merges.
    - `managers`: the field managers that we write as.
    - `lost`: the answer to a PATCH of ours is missing, or was not a refusal by the PATCH's guard.
    """
    if seen is None:
        return End(Reason.GONE)
    if seen.uid != target.uid:
        return End(Reason.REPLACED, f"uid is {seen.uid}, expected {target.uid}")
    writers = managers if sent else None
    values = goal(change, target)
    if not seen.is_readable_at({*values, *target.before}):
        return End(Reason.UNREADABLE, _unreadable(seen, sent=sent))
    found = seen.values(values)
    spelled = _as_stored(target, change, values, found)
    holds = holder(target, change, seen, writers, lost=lost)
    missing = {
        path: values[path] for path, value in spelled.items() if not holds(path, found[path], value)
    }
    if not missing:
        return _end_with_wanted(target, values, found, seen, writers)
    repeatable = is_repeatable(change)
    ours = values_of_ours(target, change, spelled, seen, writers, holds, lost=lost)
    drift = _drift(target.before, spelled, seen, ours, accepts_wanted=repeatable)
    if drift:
        # An undo never overwrites: a later change by another writer is not ours to revert.
        if on_drift is OnDrift.SKIP or isinstance(change, Restoration) or (sent and not repeatable):
            return End(Reason.DRIFTED, drift, wrote=ours or None)
        rules, own = merging.rules(target.resource), change_of_target(change, target)
        step = _overwrite(
            target, own, seen, rules, ours, matches=matches, writers=writers, lost=lost
        )
        return _with_ours(step, ours)
    if ours and (not repeatable or _is_rewritten(target, ours, missing)):
        # It was carried out, so it must not be sent again.
        if lacking := not_stored(change, missing, found, target.before):
            return not_effective(lacking, found, seen.resource_version, wrote=ours)
        others, detail = written_by_others(target.before, values, seen, writers)
        return End(Reason.SETTLED_BY_READING, detail, seen.resource_version, found, others)
    if not matches:
        return _with_ours(_NO_LONGER_MATCHES, ours)
    return Send(values, seen.resource_version, _replaced(target, seen, ours), ours)


def _replaced(target: Target, seen: Seen, ours: Fields) -> Fields | None:
    """Return what a PATCH replaces, or None if that is what was planned.

    Undo must restore the planned values of what we stored ourselves, but for the other fields the
    values that are in the object now.
    """
    current = {**seen.values(target.before), **{path: target.before[path] for path in ours}}
    return unless_same(current, target.before)


def partly_stored(ours: Fields, version: str) -> End:
    """End a target that holds some values of ours, and for which no further PATCH may be sent.

    The values are recorded, so that undo covers them.
    """
    stored = "; ".join(f"{show(path)} is {show_value(value)}" for path, value in ours.items())
    detail = f"the server stored only a part of the change: {stored}"
    return End(Reason.NOT_EFFECTIVE, detail, version, wrote=ours)


def values_written(
    reason: Reason, goal: Fields, ours: Fields, *, replaced: Fields | None
) -> Fields | None:
    """Return the values of ours in the object of a target that ended with `reason`.

    None means that they follow from the plan. `ours` are the values of ours that a read showed;
    `replaced` are the values that the patch replaced, if not the planned ones.
    """
    match OUTCOME_OF[reason]:
        case Outcome.APPLIED:
            # The wanted values of a rename or a copy follow from the values before. If the patch
            # replaced others than planned, it wanted others as well.
            return goal if replaced is not None else None
        case Outcome.SKIPPED | Outcome.FAILED if reason not in _WITHOUT_OUR_OBJECT:
            return ours or None
        case _:
            return None


_WITHOUT_OUR_OBJECT: Final = frozenset({Reason.GONE, Reason.REPLACED})
"""The object that we wrote to does not exist any more, so there is nothing to undo."""

_NO_LONGER_MATCHES = End(
    Reason.NO_LONGER_MATCHES, "the plan's selector does not match the object any more"
)


_REMOVED: Final = (
    "{} owns what is left; who removed the rest is not known, so it does not count as ours"
)


def _unreadable(seen: Seen, *, sent: bool) -> str:
    return f"{seen.unreadable}; it may contain our change" if sent else seen.unreadable


def _as_stored(target: Target, change: Change, values: Fields, found: Fields) -> Fields:
    """Return the wanted values in the spelling of the server.

    A field that is as before keeps its own: only a server knows whether it would store another
    spelling. So does that of an undo, which wants exactly what was there before.
    """
    if isinstance(change, Restoration):
        return values
    return {
        path: value
        if deep_equal(found[path], target.before.get(path, ABSENT))
        else as_stored(path, value, found[path])
        for path, value in values.items()
    }


def _end_with_wanted(
    target: Target, values: Fields, found: Fields, seen: Seen, writers: Writers
) -> End:
    """End a target that holds all wanted values."""
    # Fields that were as wanted before do not show who wrote the others.
    changed = [
        path
        for path, value in values.items()
        if not deep_equal(target.before.get(path, ABSENT), value)
    ]
    wrote, detail = recorded(values, found, target.before, seen, writers)
    recorded_values = unless_same(wrote, values)
    return _end_by_writer(target, values, changed, seen, writers, recorded_values, detail)


def _end_with_change(
    target: Target, values: Fields, seen: Seen, ours: Fields, writers: Writers, *, lost: bool
) -> End:
    """End a target that holds the change beside another writer's, in the same fields.

    Of these fields the wanted values are recorded, so that an undo finds that they have drifted.
    """
    removes_only = all(has_only(values[path], target.before[path]) for path in target.before)
    if lost and removes_only:
        # Owners of what is left do not show who removed the rest.
        return End(Reason.SETTLED_BY_READING, "", seen.resource_version, values)
    end = _end_by_writer(target, values, target.before, seen, writers, None)
    if not ours or end.reason is not Reason.SETTLED_BY_READING:
        return end
    replaced = end.replaces or target.before
    wrote = {
        path: value
        for path, value in values.items()
        if path not in replaced or deep_equal(replaced[path], target.before[path])
    }
    return replace(end, wrote={**wrote, **ours})


def _end_by_writer(
    target: Target,
    values: Fields,
    changed: Collection[Path],
    seen: Seen,
    writers: Writers,
    wrote: Fields | None,
    detail: str = "",
) -> End:
    """End a target that holds the change, depending on who wrote the fields that were changed."""
    if writers is None:
        return End(Reason.ALREADY_SET, "", seen.resource_version, wrote)
    if other := other_writer(seen, changed, writers):
        is_removal = all(
            has_only(values.get(path, ABSENT), target.before.get(path, ABSENT)) for path in changed
        )
        detail = _REMOVED.format(other) if is_removal else f"written by {other}"
        return End(Reason.ALREADY_SET, detail, seen.resource_version)
    replaces, others = written_by_others(target.before, values, seen, writers)
    detail = "; ".join(filter(None, (detail, others)))
    return End(Reason.SETTLED_BY_READING, detail, seen.resource_version, wrote, replaces)


def _is_rewritten(target: Target, ours: Fields, missing: Fields) -> bool:
    """Return whether a value was written as ours since: by a webhook, or by another run."""
    earlier = target.earlier.wrote if target.earlier else {}
    return bool((ours.keys() & missing.keys()) - earlier.keys())


def _overwrite(
    target: Target,
    change: PlanChange,
    seen: Seen,
    rules: MergeRules,
    ours: Fields,
    *,
    matches: bool,
    writers: Writers,
    lost: bool,
) -> Step:
    """Plan the change again, from the current values of the object."""
    match need(change, seen, rules):
        case Unchanged():
            return _end_with_change(target, goal(change, target), seen, ours, writers, lost=lost)
        case _ if not matches:
            return _NO_LONGER_MATCHES
        case DoesNotFit(reason=reason, detail=detail):
            return End(reason, detail)
        case NeedsPatch(before=replaces, wanted=values):
            # Undo must restore what was there before us, so our values are not what is replaced.
            again = need(change, without(seen, ours, target.before), rules) if ours else None
            if isinstance(again, NeedsPatch):
                replaces, values = again.before, again.wanted
            return Send(values, seen.resource_version, replaces)


def _with_ours(step: Step, ours: Fields) -> Step:
    """Add the values of ours that the object holds to a step, so that undo covers them."""
    match step:
        case Send():
            return replace(step, ours=ours)
        case End(reason=Reason.SETTLED_BY_READING | Reason.ALREADY_SET):
            return step
        case End():
            return replace(step, wrote=ours or None)


def _drift(
    before: Fields, values: Fields, seen: Seen, ours: Fields, *, accepts_wanted: bool
) -> str:
    """Name the fields that are not as planned; empty if there are none.

    Fields in `ours` are left out. With `accepts_wanted`, so are fields that hold exactly their
    wanted value: in a value with more fields, these may be another writer's.
    """
    document = seen.document()

    def drifted(path: Path, planned: Value, current: Value, wanted: Value) -> bool:
        if path in ours:
            return False
        # The path leads through a scalar: the field looks absent, but cannot be set.
        if is_obstructed(document, path):
            return True
        return not deep_equal(current, planned) and not (
            accepts_wanted and is_stored_form(current, wanted)
        )

    return "; ".join(
        f"{show(path)} is {show_value(current)}, expected {show_value(planned)},"
        f" wanted {show_value(wanted)}"
        for path, planned in before.items()
        if drifted(
            path,
            planned,
            current := look_up(document, path),
            wanted := values.get(path, planned),
        )
    )
