"""What undoing one target means: the values to put back, and those that must still be ours."""

from fleetpatch.model.change import Change, MetadataChange
from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import Fields
from fleetpatch.model.outcome import Outcome, Settlement
from fleetpatch.model.target import Target
from fleetpatch.rules.planning.planner import goal, wanted


def values_to_restore(
    change: Change, target: Target, settlement: Settlement | None
) -> tuple[Fields, Fields]:
    """The fields that a target was changed in: as we left them, and as they were before.

    Both are empty where nothing of ours was stored. A target that was skipped or failed may have
    some of the change all the same; `settlement` is None for one that is to be tried again.

    Fields that held their value already are left out: whoever changes them since owes us nothing.
    """
    left, before = _left(change, target, settlement)
    changed = [path for path, value in left.items() if not deep_equal(before[path], value)]
    return (
        {path: left[path] for path in changed},
        {path: before[path] for path in changed},
    )


def _left(change: Change, target: Target, settlement: Settlement | None) -> tuple[Fields, Fields]:
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
