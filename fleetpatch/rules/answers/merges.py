"""Whether a server has merged values correctly that are not as they were predicted.

A server writes the entries of a list as it likes (`1000m` as `1`) and in an order of its own, keeps
what another manager owns, and merges some fields by rules that it alone knows.
"""

from collections.abc import Callable, Collection
from typing import Final

from fleetpatch.model.change import Change, PatchType, merges_by_schema
from fleetpatch.model.equality import deep_equal, is_among
from fleetpatch.model.fields import ABSENT, Fields, Json, Path, Value
from fleetpatch.rules.answers.covering import entry_before, map_covers
from fleetpatch.rules.answers.further_fields import any_further, is_default, is_new_or_changed
from fleetpatch.rules.answers.spelling import is_same_quantity

_OF_NULL: Final = (ABSENT, None, "0", "")
"""What a server makes of a null: in a map of quantities or of strings it is their zero."""


def may_be_merged(
    change: Change,
    missing: Fields,
    found: Fields,
    before: Fields,
    uncertain: Callable[[], Collection[Path]],
    *,
    untouched: bool,
) -> bool:
    """Return whether the server may have merged the missing values correctly, in its own way.

    - `missing`: the predicted values of the fields that have others, which are in `found`.
    - `before`: the values before; a field that is not in it was absent.
    - `uncertain`: returns the fields that only the server knows how to merge.
    - `untouched`: the version shows that the server changed nothing.
    """
    if not merges_by_schema(change):
        return False
    by_apply = change.type is PatchType.APPLY
    certain: list[Path] = []
    for path, value in missing.items():
        current, old = found[path], before.get(path, ABSENT)
        # If the version has changed, the patch had an effect. Otherwise only lists are in question:
        # the merged list may have been stored already.
        if untouched and not isinstance(value, list):
            return False
        if value is ABSENT:
            # An apply leaves what another manager owns.
            if not by_apply and deep_equal(current, old):
                return False
        elif not (_has_list(value) and _is_alike(current, value, old, by_apply=by_apply)):
            certain.append(path)
    return not certain or _are_within(certain, uncertain())


def _has_list(value: Value) -> bool:
    inner = value.values() if isinstance(value, dict) else ()
    return isinstance(value, list) or any(map(_has_list, inner))


def _are_within(paths: Collection[Path], uncertain: Collection[Path]) -> bool:
    """Return whether each of the paths is, or contains, or is within an uncertain one."""
    return all(
        any(all(one == other for one, other in zip(path, each, strict=False)) for each in uncertain)
        for path in paths
    )


def _is_alike(current: Value, wanted: Value, before: Value, *, by_apply: bool) -> bool:
    """Return whether `current` is `wanted` in another order and spelling, maybe with more in it."""
    changed = not deep_equal(current, before)
    further = any_further if by_apply else is_new_or_changed if changed else is_default
    old_entries = _entries(before)

    def may_be_added(entry: Json) -> bool:
        return changed and (by_apply or not is_among(entry, old_entries))

    def are_alike(entries: list[Json], wanted: list[Json], before: Value) -> bool:
        left = list(entries)
        for place, each in enumerate(wanted):
            old = entry_before(before, each, place)
            found = next((at for at, one in enumerate(left) if deep_equal(one, each)), None)
            if found is None:
                found = next((at for at, one in enumerate(left) if is_alike(one, each, old)), None)
            if found is None:
                return False
            del left[found]
        return all(map(may_be_added, left))

    def is_alike(current: Value, wanted: Value, before: Value) -> bool:
        if wanted is None:
            return is_among(current, _OF_NULL)
        if isinstance(current, dict) and isinstance(wanted, dict):
            return map_covers(current, wanted, before, further, is_alike)
        if isinstance(current, list) and isinstance(wanted, list):
            return are_alike(current, wanted, before)
        return deep_equal(current, wanted) or is_same_quantity(current, wanted)

    return is_alike(current, wanted, before)


def _entries(value: Value) -> Collection[Json]:
    """All entries of the lists in a value, at any depth."""
    match value:
        case dict():
            return [entry for each in value.values() for entry in _entries(each)]
        case list():
            return [*value, *(entry for each in value for entry in _entries(each))]
        case _:
            return ()
