"""Whether an object holds a wanted value, although servers add fields to it and drop others.

A server adds defaults to new values and drops nulls from maps. Servers before 1.22 also drop the
null entries of lists in a merge patch (`fleetpatch.rules.patching.merge_patch`).

So an object may hold a wanted value and have more fields. The value before the change decides what
such a field is: it is new, or it should have been removed.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import ABSENT, Json, Value
from fleetpatch.rules.answers.further_fields import Further, is_new, none

_NAME: Final = "name"
"""What identifies most entries of lists."""


def is_stored_form(current: Value, wanted: Value, further: Further = none) -> bool:
    """Return whether some server stores `wanted` as `current`: without nulls, else the same."""
    return covers(current, wanted, ABSENT, further, accepted=True)


def covers(
    current: Value,
    wanted: Value,
    before: Value,
    further: Further = is_new,
    *,
    accepted: bool = False,
) -> bool:
    """Return whether `current` holds what a change from `before` to `wanted` leaves.

    It may have more fields, as far as `further` allows them. A value that still is as before is not
    changed, unless it was as wanted, or a server has `accepted` the change: then that is its result
    (without nulls, which it drops).
    """
    if not accepted and deep_equal(current, before):
        return deep_equal(current, wanted)
    return _is_at_least(current, wanted, before, further, drops=accepted)


def _is_at_least(
    current: Value, wanted: Value, before: Value, further: Further, *, drops: bool
) -> bool:
    # A wanted null in a map is a removal, or is dropped.
    if deep_equal(current, wanted) or (wanted is None and current is ABSENT):
        return True
    holds = partial(_is_at_least, further=further, drops=drops)
    if isinstance(current, dict) and isinstance(wanted, dict):
        return map_covers(current, wanted, before, further, holds)
    if isinstance(current, list) and isinstance(wanted, list):
        # The entries of a list have no names, so additional ones are a difference.
        if drops and len(current) < len(wanted):
            wanted = [entry for entry in wanted if entry is not None]
        return len(current) == len(wanted) and all(
            holds(each, entry, entry_before(before, entry, position))
            for position, (each, entry) in enumerate(zip(current, wanted, strict=True))
        )
    return False


def map_covers(
    current: Mapping[str, Json],
    wanted: Mapping[str, Json],
    before: Value,
    further: Further,
    holds: Callable[[Value, Value, Value], bool],
) -> bool:
    """Return whether a map has all wanted fields, and of others only those that `further` allows.

    `holds` is called with the value of a field now, as wanted, and before.
    """
    old = before if isinstance(before, dict) else {}
    return all(
        holds(current.get(key, ABSENT), each, old.get(key, ABSENT)) for key, each in wanted.items()
    ) and all(
        key in wanted or further(key, each, old.get(key, ABSENT)) for key, each in current.items()
    )


def entry_before(before: Value, entry: Json, position: int) -> Value:
    """Return what a wanted entry of a list was before: the one of its name, else of its place."""
    if not isinstance(before, list):
        return ABSENT
    there = before[position] if position < len(before) else ABSENT
    if not (isinstance(entry, dict) and _NAME in entry):
        return there
    # First the one at its place: a list may have a name twice.
    named = (old for old in (there, *before) if isinstance(old, dict) and _NAME in old)
    return next((old for old in named if deep_equal(old[_NAME], entry[_NAME])), ABSENT)
