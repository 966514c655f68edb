"""What a run changes; apart, so that who only looks at runs loads nothing that sends."""

from collections.abc import Iterable

from fleetpatch.model.change import BodyPatch, Change, PatchType, Restoration, reads_whole
from fleetpatch.model.fields import show
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.providers.tables import is_built_in
from fleetpatch.model.resource import Resource
from fleetpatch.model.run import RunInfo
from fleetpatch.rules.strategy import undecided

_MERGED_BY_SCHEMA = frozenset({PatchType.STRATEGIC, PatchType.APPLY})


def change_of(info: RunInfo, plan: Plan) -> Change:
    """What a run changes: what its plan says, or the way back of the run that it undoes."""
    change = plan.patch.change()
    return Restoration(reads_whole(change)) if info.undo_of else change


def undecided_of(change: Change, resources: Iterable[Resource]) -> list[str]:
    """Name the fields, with their kinds, of which the server alone knows how they merge."""
    if not isinstance(change, BodyPatch) or change.type not in _MERGED_BY_SCHEMA:
        return []
    return [
        f"{show(path)} of {resource.name}"
        for resource in resources
        for path in undecided(change.body, custom=not is_built_in(resource))
    ]
