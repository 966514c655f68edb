"""How a target ends whose PATCH can succeed no more, after the read that confirms it.

Its PATCH was refused, or its answer is a 200 that does not show the change. Such a 200 may be that
of a cache, with an older object or with that of another writer.
"""

from collections.abc import Collection

from msgspec.structs import replace

from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import ABSENT, Fields
from fleetpatch.model.outcome import Reason
from fleetpatch.model.target import Seen
from fleetpatch.rules.answers.field_owners import other_writer
from fleetpatch.rules.answers.settlement import partly_stored
from fleetpatch.rules.answers.steps import End, Step, outweighs_refusal


def confirmed(
    refused: End, step: Step, seen: Seen | None, *, before: Fields, managers: Collection[str]
) -> End:
    """Return how the target ends.

    - `refused`: how it ends by its answer.
    - `step`: what would follow the read alone, of the object `seen`.
    - `before`: the values that the PATCH replaced.
    - `managers`: the field managers that we write as.
    """
    if isinstance(step, End):
        is_drift = step.reason is Reason.DRIFTED and refused.reason is Reason.NOT_EFFECTIVE
        # What a webhook made of our values is drift for a read alone.
        if is_drift and _is_left(refused, seen, before, managers):
            return refused
        if outweighs_refusal(step, refused.reason):
            return step
        return replace(refused, wrote=step.wrote or refused.wrote)
    if refused.reason is not Reason.NOT_EFFECTIVE or _is_left(refused, seen, before, managers):
        return replace(refused, wrote=step.ours or refused.wrote)
    # The 200 showed other values than those that our PATCH left.
    if step.ours:
        return partly_stored(step.ours, step.resource_version)
    return replace(refused, wrote=None)


def _is_left(end: End, seen: Seen | None, before: Fields, managers: Collection[str]) -> bool:
    """Return whether the object holds what a 200 showed of our change, and no other wrote it."""
    return seen is not None and all(
        deep_equal(seen.value(path), value)
        and (
            deep_equal(value, before.get(path, ABSENT)) or not other_writer(seen, [path], managers)
        )
        for path, value in (end.wrote or {}).items()
    )
