"""What undoing one target means: the values to put back, and those that must still be ours."""

from fleetpatch.model.change import Change, MetadataChange
from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import Fields
from fleetpatch.model.outcome import Settlement
from fleetpatch.model.target import Target
from fleetpatch.rules.planner import goal, wanted


def way_back(change: Change, target: Target, settlement: Settlement) -> tuple[Fields, Fields]:
    """The fields that an applied target was changed in: as we left them, and as they were before.

    Fields that held their value already are left out: whoever changes them since owes us nothing.
    """
    before = target.before if settlement.replaced is None else settlement.replaced
    left = _written(change, target, settlement, before)
    changed = [path for path, value in left.items() if not deep_equal(before[path], value)]
    return (
        {path: left[path] for path in changed},
        {path: before[path] for path in changed},
    )


def _written(change: Change, target: Target, settlement: Settlement, before: Fields) -> Fields:
    if settlement.wrote is not None:
        return settlement.wrote
    if isinstance(change, MetadataChange):
        return wanted(change, before)
    return goal(change, target)
