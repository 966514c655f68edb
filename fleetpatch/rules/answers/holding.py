"""Whether a field holds its wanted value, in a read and in the answer to a PATCH.

A field that holds it may have more in it than was wanted (`fleetpatch.rules.answers.covering`).
How much more depends on how sure it is that the server has carried out our PATCH.
"""

from collections.abc import Callable, Collection
from typing import TypeAlias

from fleetpatch.model.change import BodyPatch, Change, PatchType, Restoration
from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import ABSENT, Path, Value
from fleetpatch.model.target import Seen, Target
from fleetpatch.rules.answers.covering import covers, is_stored_form
from fleetpatch.rules.answers.field_owners import is_owned_by_us
from fleetpatch.rules.answers.further_fields import (
    Further,
    any_further,
    is_default,
    is_new_or_changed,
    is_new_or_default,
    is_new_or_kept,
)

Writers: TypeAlias = Collection[str] | None
"""The field managers that we write as; None if no PATCH of ours can have reached the server."""

Holds: TypeAlias = Callable[[Path, Value, Value], bool]
"""Whether a field holds its wanted value: its path, its value, the wanted one."""


def holder(target: Target, change: Change, seen: Seen, writers: Writers, *, lost: bool) -> Holds:
    """Return what decides whether a field of an object that was read holds its wanted value.

    `lost` is that of `fleetpatch.rules.answers.settlement.after_read`.
    """

    def holds(path: Path, current: Value, wanted: Value) -> bool:
        # An undo wants the whole value of before: a map with further keys was not put back.
        if isinstance(change, Restoration) or deep_equal(current, wanted):
            return deep_equal(current, wanted)
        # What is there as before may be a default that the server added again, but only if our
        # PATCH can have been carried out. Some gateways leave out who wrote a field.
        is_ours = not seen.managed_fields or is_owned_by_us(seen, path, writers or ())
        maybe_done = lost and writers is not None and is_ours
        further = is_new_or_kept if maybe_done else is_new_or_default
        return covers(current, wanted, target.before.get(path, ABSENT), further)

    return holds


def is_stored(change: Change, current: Value, wanted: Value, before: Value) -> bool:
    """Return whether `current` is what a server left of `wanted` when it accepted the change."""
    if is_stored_form(current, wanted):
        return True
    # Nothing was changed. That is right only if the server added defaults of its own again.
    if deep_equal(current, before):
        return is_stored_form(current, wanted, is_default)
    return covers(current, wanted, before, _further(change), drops_null_entries=True)


def _further(change: Change) -> Further:
    """Return which further fields a server that accepted the change may have added."""
    match change:
        # What an undo puts back has its defaults already.
        case Restoration():
            return is_new_or_default
        # It is merged into what is there, defaults included: what is lacking was removed by name.
        case BodyPatch(type=PatchType.STRATEGIC):
            return is_new_or_changed
        case _:
            return any_further
