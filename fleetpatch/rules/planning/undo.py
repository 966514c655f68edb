"""The undo of one target: the values to restore, and those that must still be as we left them."""

from fleetpatch.model.change import Change, MetadataChange
from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import Fields
from fleetpatch.model.outcome import Outcome, Settlement
from fleetpatch.model.target import Target
from fleetpatch.rules.planning.planner import goal, wanted


def values_to_restore(
    change: Change, target: Target, settlement: Settlement | None
) -> tuple[Fields, Fields]:
    """Return the changed fields of a target twice: as we left them, and as they were before.

    Both are empty where nothing of ours was stored. A target that was skipped or failed may still
    have a part of the change. `settlement` is None for a target that will be tried again.

    Fields that held the wanted value already are left out: a later change of them is not drift.
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
    """What we wrote, and the values of at least these fields before."""
    if settlement is None:
        return (target.earlier.wrote, target.earlier.replaced) if target.earlier else ({}, {})
    before = target.before if settlement.replaced is None else settlement.replaced
    match settlement.outcome:
        case Outcome.APPLIED:
            return _applied(change, target, settlement, before), before
        case Outcome.SKIPPED | Outcome.FAILED:
            return settlement.wrote or {}, before
        case _:
            return {}, {}


def _applied(change: Change, target: Target, settlement: Settlement, before: Fields) -> Fields:
    if settlement.wrote is not None:
        return settlement.wrote
    if isinstance(change, MetadataChange):
        return wanted(change, before)
    return goal(change, target)
