"""What a run changes; apart, so that who only looks at runs loads nothing that sends."""

from fleetpatch.model.change import Change, Restoration, reads_whole
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.run import RunInfo


def change_of(info: RunInfo, plan: Plan) -> Change:
    """What a run changes: what its plan says, or the way back of the run that it undoes."""
    change = plan.patch.change()
    return Restoration(reads_whole(change)) if info.undo_of else change
