"""Whether a field holds its wanted value, in a read and in the answer to a PATCH.

A field that holds it may have more in it than was wanted (`fleetpatch.rules.answers.covering`).
How much more depends on how sure it is that the server has carried out our PATCH.
"""

from collections.abc import Callable, Collection
from typing import TypeAlias

from fleetpatch.model.change import BodyPatch, Change, Restoration
from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import ABSENT, Fields, Path, Value
from fleetpatch.model.target import Seen, Target
from fleetpatch.rules.answers.covering import covers, is_stored_form
from fleetpatch.rules.answers.field_owners import is_owned_by_us, is_written_by_us
from fleetpatch.rules.answers.further_fields import (
    Further,
    any_further,
    is_new_or_changed,
    is_new_or_default,
    is_new_or_kept,
)
from fleetpatch.rules.answers.spelling import as_spelled
from fleetpatch.rules.patching.diff import removes_by_name

Writers: TypeAlias = Collection[str] | None
"""The field managers that we write as; None if no PATCH of ours can have reached the server."""

Holds: TypeAlias = Callable[[Path, Value, Value], bool]
"""Whether a field holds its wanted value: its path, its value, the wanted one."""


def holder(target: Target, change: Change, seen: Seen, writers: Writers, *, lost: bool) -> Holds:
    """Return what decides whether a field of an object that was read holds its wanted value.

    `lost` is that of `fleetpatch.rules.answers.settlement.after_read`.
    """

    def further(path: Path, current: Value, wanted: Value, before: Value) -> Further:
        # Nothing of ours is to be seen if all that was there still is, and had all that is wanted.
        unseen = is_stored_form(before, wanted, any_further) and is_stored_form(
            current, before, any_further
        )
        # Some gateways leave out who wrote a field.
        is_ours = not seen.managed_fields or is_owned_by_us(seen, path, writers or ())
        if unseen or writers is None or not is_ours:
            return is_new_or_default
        # Defaults that the server added again: with other values only where no other manager wrote.
        return any_further if lost and is_written_by_us(seen, path, writers) else is_new_or_kept

    def holds(path: Path, current: Value, wanted: Value) -> bool:
        # An undo wants the whole value of before: a map with further keys was not put back.
        if isinstance(change, Restoration) or deep_equal(current, wanted):
            return deep_equal(current, wanted)
        before = target.before.get(path, ABSENT)
        return covers(current, wanted, before, further(path, current, wanted, before))

    return holds


def is_stored(change: Change, path: Path, current: Value, wanted: Value, before: Value) -> bool:
    """Return whether `current` is what a server left of `wanted` when it accepted the change."""
    further, wanted = _further(change, path), as_spelled(path, wanted, current)
    return is_stored_form(current, wanted) or covers(
        current, wanted, before, further, accepted=True
    )


def not_stored(change: Change, values: Fields, found: Fields, before: Fields) -> Fields:
    """Return the values that a server which carried out the patch did not store."""
    return {
        path: value
        for path, value in values.items()
        if not is_stored(change, path, found[path], value, before.get(path, ABSENT))
    }


def _further(change: Change, path: Path) -> Further:
    """Return which further fields a server that accepted the change may have left in a field."""
    match change:
        # What an undo puts back has its defaults already.
        case Restoration():
            return is_new_or_default
        # What the wanted value lacks was removed by name, so only another value may be a default.
        case BodyPatch() if removes_by_name(change, path):
            return is_new_or_changed
        # A new value, such as that of a list, lacks the defaults that the server adds again. Nobody
        # can tell them from what should have been removed and was put back.
        case _:
            return any_further
