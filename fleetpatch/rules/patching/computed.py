"""The change of one object: the plan's, with the values that its expressions have for the object.

The values are frozen with the target. Those of labels and annotations are its wanted values; those
of a body are kept beside them, since a request is made of the body.
"""

from msgspec.structs import replace

from fleetpatch.model.change import BodyPatch, PlanChange
from fleetpatch.model.computed import with_values
from fleetpatch.model.fields import ABSENT, Fields
from fleetpatch.model.target import Target


def with_literals(change: PlanChange, values: Fields) -> PlanChange:
    """Return `change` with `values` in place of its expressions.

    A label or annotation is removed by None, and left as it is by ABSENT. In a body None is null,
    and ABSENT leaves the key or the entry out.
    """
    if not change.expressions:
        return change
    if isinstance(change, BodyPatch):
        return replace(change, body=with_values(change.body, values))
    maps = {"labels": dict(change.labels), "annotations": dict(change.annotations)}
    for path in change.expressions:
        if (value := values.get(path, ABSENT)) is not ABSENT:
            maps[path[1]][path[2]] = value
    return replace(change, **maps, expressions={}, spared=frozenset(change.expressions))


def body_of_target(change: BodyPatch, target: Target) -> BodyPatch:
    """Return the body of a target, with the values that were frozen when it was planned."""
    if not change.expressions:
        return change
    return replace(change, body=with_values(change.body, target.computed or {}))


def change_of_target(change: PlanChange, target: Target) -> PlanChange:
    """Return the change of a target, by the values that were frozen when it was planned."""
    if isinstance(change, BodyPatch):
        return body_of_target(change, target)
    if change.expressions:
        wanted = target.wanted or {}
        kept = {path: wanted[path] for path in change.expressions if path in wanted}
        removed = {path: None for path, value in kept.items() if value is ABSENT}
        return with_literals(change, {**kept, **removed})
    return change
