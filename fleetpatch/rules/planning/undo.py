"""The undo of one target: the values to restore, and the values that the fields must have now."""

from msgspec.structs import replace

from fleetpatch.model.change import Change, Restoration
from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import Fields
from fleetpatch.model.outcome import Outcome, Settlement
from fleetpatch.model.ports import Draft
from fleetpatch.model.target import Seen, Target, TargetId
from fleetpatch.rules.answers.settlement import after_read
from fleetpatch.rules.answers.steps import End, OnDrift
from fleetpatch.rules.planning.result import applied_values, values_before


def draft_of(change: Change, target: Target, settlement: Settlement | None) -> Draft | None:
    """Return the draft that restores a target; None if the run has not changed its object."""
    left, before = values_to_restore(change, target, settlement)
    if not before:
        return None
    # The version after our PATCH, so that the first PATCH of the undo has no conflict.
    known = settlement and settlement.resource_version
    seen = Seen(target.namespace, target.name, target.uid, known or target.resource_version)
    return Draft(target.cluster, target.resource, seen, left, 0, before)


def compared(draft: Draft, seen: Seen | None, restoration: Restoration) -> Draft:
    """Return the draft after a read; `seen` is None if the object is gone.

    It ends if there is nothing to restore, or if a field was changed since.
    """
    planned = draft.seen
    target = Target(
        TargetId(0),
        draft.cluster,
        draft.resource,
        planned.namespace,
        planned.name,
        planned.uid,
        planned.resource_version,
        draft.before,
        wanted=draft.wanted,
    )
    step = after_read(target, restoration, seen, matches=True, sent=False, on_drift=OnDrift.SKIP)
    if isinstance(step, End):
        return replace(draft, ends=step.reason, detail=step.detail)
    version = Seen(planned.namespace, planned.name, planned.uid, step.resource_version)
    return replace(draft, seen=version, before=step.replaces or draft.before)


def values_to_restore(
    change: Change, target: Target, settlement: Settlement | None
) -> tuple[Fields, Fields]:
    """Return the changed fields of a target: with the values that we wrote, and those before.

    Both are empty if the server did not store any of our values. A target that was skipped or
    failed may have a part of the change. `settlement` is None for a target that will be tried
    again.

    Fields that already held the wanted value are left out: a later change of them is not drift.
    """
    written, before = _written(change, target, settlement)
    changed = [path for path in written if not deep_equal(before[path], written[path])]
    return (
        {path: written[path] for path in changed},
        {path: before[path] for path in changed},
    )


def _written(
    change: Change, target: Target, settlement: Settlement | None
) -> tuple[Fields, Fields]:
    """The values that we wrote, and the values before of at least the same fields."""
    if settlement is None:
        return (target.earlier.wrote, target.earlier.replaced) if target.earlier else ({}, {})
    before = values_before(target, settlement)
    match settlement.outcome:
        case Outcome.APPLIED:
            return applied_values(change, target, settlement), before
        case Outcome.SKIPPED | Outcome.FAILED:
            return settlement.wrote or {}, before
        case _:
            return {}, {}
