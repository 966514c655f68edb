"""The undo of one target: the values to restore, and the values that the fields must have now."""

from fleetpatch.model.change import Change, MetadataChange
from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import Fields
from fleetpatch.model.outcome import Outcome, Settlement
from fleetpatch.model.target import Target
from fleetpatch.rules.planning.planner import goal, wanted


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
    # If the patch overwrote drift, those values are restored, not the planned ones.
    before = target.before if settlement.replaced is None else settlement.replaced
    match settlement.outcome:
        case Outcome.APPLIED:
            return _applied(change, target, settlement, before), before
        case Outcome.SKIPPED | Outcome.FAILED:
            return settlement.wrote or {}, before
        case _:
            return {}, {}


def _applied(change: Change, target: Target, settlement: Settlement, before: Fields) -> Fields:
    # The server may have stored other values than we sent.
    if settlement.wrote is not None:
        return settlement.wrote
    # Computed from `before` and not from the target: if drift was overwritten, the wanted values
    # followed from the replaced values, and not from the planned ones.
    if isinstance(change, MetadataChange):
        return wanted(change, before)
    return goal(change, target)
