"""Whether an object holds a wanted value, although servers add fields to it and drop others.

A server adds defaults to new values and drops nulls from maps. Servers before 1.22 also drop the
null entries of lists in a merge patch (`fleetpatch.rules.patching.merge_patch`).
"""

from collections.abc import Iterable

from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import ABSENT, Value


def covers(current: Value, wanted: Value) -> bool:
    """Return whether `current` is `wanted`, possibly with more fields."""
    return _is_at_least(current, wanted, drops_null_entries=False)


def is_stored_form(current: Value, wanted: Value) -> bool:
    """Return whether some server stores `wanted` as `current`."""
    return _is_at_least(current, wanted, drops_null_entries=True)


def _is_at_least(current: Value, wanted: Value, *, drops_null_entries: bool) -> bool:
    def are(current: Iterable[Value], wanted: Iterable[Value]) -> bool:
        pairs = zip(current, wanted, strict=True)
        return all(_is_at_least(*pair, drops_null_entries=drops_null_entries) for pair in pairs)

    # A wanted null in a map is a removal, or is dropped.
    if deep_equal(current, wanted) or (wanted is None and current is ABSENT):
        return True
    if isinstance(current, dict) and isinstance(wanted, dict):
        return are(map(current.get, wanted), wanted.values())
    if isinstance(current, list) and isinstance(wanted, list):
        # The entries of a list have no names, so additional ones are a difference.
        if drops_null_entries and len(current) < len(wanted):
            wanted = [entry for entry in wanted if entry is not None]
        return len(current) == len(wanted) and are(current, wanted)
    return False
