"""The values of a target's fields after the run: what was written, or is to be written."""

from fleetpatch.model.change import Change, MetadataChange
from fleetpatch.model.fields import Fields
from fleetpatch.model.outcome import Outcome, Settlement
from fleetpatch.model.target import Target
from fleetpatch.rules.planning.planner import goal, wanted


def values_after(change: Change, target: Target, settlement: Settlement | None) -> Fields:
    """Return the touched fields with the values that the run has left, as far as it knows them.

    `settlement` is None for a target without an outcome, which gets the wanted values. Fields of a
    target that was not changed have their values before, or what the server stored of the change.
    """
    if settlement is None:
        return {**target.before, **goal(change, target)}
    before = values_before(target, settlement)
    match settlement.outcome:
        case Outcome.APPLIED:
            return {**before, **applied_values(change, target, settlement)}
        case _:
            return {**before, **(settlement.wrote or {})}


def values_before(target: Target, settlement: Settlement) -> Fields:
    """Return the values that were replaced: the planned ones, unless drift was overwritten."""
    return target.before if settlement.replaced is None else settlement.replaced


def applied_values(change: Change, target: Target, settlement: Settlement) -> Fields:
    """Return the values that we wrote to an applied target."""
    # The server may have stored other values than we sent.
    if settlement.wrote is not None:
        return settlement.wrote
    # Computed from the replaced values and not from the target: if drift was overwritten, the
    # wanted values followed from them, and not from the planned ones.
    if isinstance(change, MetadataChange) and target.wanted is None:
        return wanted(change, values_before(target, settlement))
    return goal(change, target)
