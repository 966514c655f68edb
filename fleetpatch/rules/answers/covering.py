"""Whether a wanted value is there, given what servers add to it and leave out of it.

A server adds its defaults to what is new, and drops nulls from maps. Old ones drop null entries of
lists, too, when a merge patch brings them (`fleetpatch.rules.patching.merge_patch`).
"""

from collections.abc import Iterable

from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import ABSENT, Value


def covers(current: Value, wanted: Value) -> bool:
    """Tell whether `current` is `wanted`, or more."""
    return _is_at_least(current, wanted, drops_null_entries=False)


def is_stored_form(current: Value, wanted: Value) -> bool:
    """Tell whether some server makes `current` of `wanted`."""
    return _is_at_least(current, wanted, drops_null_entries=True)


def _is_at_least(current: Value, wanted: Value, *, drops_null_entries: bool) -> bool:
    def are(current: Iterable[Value], wanted: Iterable[Value]) -> bool:
        pairs = zip(current, wanted, strict=True)
        return all(_is_at_least(*pair, drops_null_entries=drops_null_entries) for pair in pairs)

    if deep_equal(current, wanted) or (wanted is None and current is ABSENT):
        return True
    if isinstance(current, dict) and isinstance(wanted, dict):
        return are(map(current.get, wanted), wanted.values())
    if isinstance(current, list) and isinstance(wanted, list):
        if drops_null_entries and len(current) < len(wanted):
            wanted = [entry for entry in wanted if entry is not None]
        return len(current) == len(wanted) and are(current, wanted)
    return False
