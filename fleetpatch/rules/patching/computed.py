"""The change of one object: the plan's, with the values that its expressions have for the object.

The values are frozen with the target. Those of labels and annotations are its wanted values; those
of a body are kept beside them, since a request is made of the body.
"""

from typing import Final

from msgspec.structs import replace

from fleetpatch.model.change import BodyPatch, PlanChange
from fleetpatch.model.computed import with_values
from fleetpatch.model.fields import ABSENT, Fields, Value
from fleetpatch.model.target import Target

_MAX_KNOWN: Final = 4096


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


class LiteralChanges:
    """The changes of many objects; those of labels and annotations with the same values are one.

    A change computes what it touches once, which costs more than to look the change up.
    """

    def __init__(self, change: PlanChange) -> None:
        self._change = change
        self._known: dict[tuple[Value, ...], PlanChange] = {}

    def of(self, values: Fields) -> PlanChange:
        """See `with_literals`; the values have been checked."""
        if isinstance(self._change, BodyPatch):
            return with_literals(self._change, values)
        key = tuple(values.values())
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            found = self._known[key] = with_literals(self._change, values)
        return found


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
