"""What a run changes; apart, so that who only looks at runs loads nothing that sends."""

from collections.abc import Iterable

from fleetpatch.model.change import BodyPatch, Change, PatchType, Restoration, reads_whole
from fleetpatch.model.fields import Path, show
from fleetpatch.model.nulls import null_entries
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.providers.tables import is_built_in
from fleetpatch.model.resource import Resource
from fleetpatch.model.run import RunInfo
from fleetpatch.rules.strategy import undecided


def change_of(info: RunInfo, plan: Plan) -> Change:
    """What a run changes: what its plan says, or the way back of the run that it undoes."""
    change = plan.patch.change()
    return Restoration(reads_whole(change)) if info.undo_of else change


def undecided_of(change: Change, resources: Iterable[Resource]) -> list[str]:
    """Name the fields, with their kinds, of which the server alone knows how they merge."""
    if not isinstance(change, BodyPatch):
        return []
    return [
        f"{show(path)} of {resource.name}"
        for resource in resources
        for path in _undecided(change, resource)
    ]


def _undecided(change: BodyPatch, resource: Resource) -> Iterable[Path]:
    match change.type:
        case PatchType.STRATEGIC | PatchType.APPLY:
            return undecided(change.body, custom=not is_built_in(resource))
        case PatchType.MERGE:
            return null_entries(change.body)
        case PatchType.JSON:
            return ()
