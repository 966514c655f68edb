"""The order of a list after a strategic merge, as kube-apiserver sorts it.

Source: k8s.io/apimachinery, util/strategicpatch (`normalizeElementOrder`, `mergeSortedSlice`,
`deduplicateScalars`). `rule` has the merge key that identifies an entry; a list without a merge key
holds scalars.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

from fleetpatch.model.fields import Json
from fleetpatch.rules.patching.json_patch import InapplicableError
from fleetpatch.rules.patching.merge_schema import Keyed, Rule

Identity: TypeAlias = tuple[type, Any]
"""What identifies an entry of a list: its type and value.

The type is a part of it because `1 == True` in Python, while Go distinguishes the two.
"""


def interleaved(
    merged: Sequence[Json], order: Sequence[Json], before: Sequence[Json], rule: Rule | None
) -> list[Json]:
    """Sort `merged`: the entries of `order` in that order, the others as they were in `before`."""
    wanted_places, old_places = places(order, rule), places(before, rule)
    listed, others = (
        _sorted(
            [e for e in merged if (identity(e, rule) in wanted_places) is is_listed], known, rule
        )
        for is_listed, known in ((True, wanted_places), (False, old_places))
    )
    result: list[Json] = []
    for entry in listed:
        place = old_places.get(identity(entry, rule))
        # The others that were before this entry stay before it. A new entry had no place, so it
        # does not let any of them pass.
        while others and place is not None:
            other = old_places.get(identity(others[0], rule))
            if other is None or other >= place:
                break
            result.append(others.pop(0))
        result.append(entry)
    return [*result, *others]


def _sorted(entries: list[Json], known: dict[Identity, int], rule: Rule | None) -> list[Json]:
    """Sort entries by their places in `known`; entries with `$patch: delete` come last.

    Only a list that the object did not have before can still contain such entries.

    An entry without a place compares as less than every neighbour, so the order is not a total one
    and the algorithm shows in the result. Go's `sort.SliceStable` sorts blocks of 20 entries by
    insertion, as this function does. It sorts longer lists in another way, which may differ.
    """
    deletions = [e for e in entries if isinstance(e, dict) and e.get("$patch") == "delete"]
    result: list[tuple[int | None, Json]] = []
    for entry in entries:
        if isinstance(entry, dict) and entry.get("$patch") == "delete":
            continue
        place, at = known.get(identity(entry, rule)), len(result)
        while at and _is_less(place, result[at - 1][0]):
            at -= 1
        result.insert(at, (place, entry))
    return [*(entry for _, entry in result), *deletions]


def _is_less(place: int | None, other: int | None) -> bool:
    return place is None or other is None or place < other


def places(entries: Sequence[Json], rule: Rule | None) -> dict[Identity, int]:
    """The position of the first occurrence of each entry."""
    known: dict[Identity, int] = {}
    for at, entry in enumerate(entries):
        known.setdefault(identity(entry, rule), at)
    return known


def identity(entry: Json, rule: Rule | None) -> Identity:
    """The value of the merge key, or the whole of a scalar."""
    value = (
        entry.get(rule.keys[0]) if isinstance(rule, Keyed) and isinstance(entry, dict) else entry
    )
    if isinstance(value, dict | list):
        raise InapplicableError(f"{value!r} is not a scalar, so a list cannot be merged by it")
    return type(value), value


def deduplicated(entries: list[Json]) -> list[Json]:
    """Each entry once; the last one takes the place of a duplicate, as on the server."""
    result = list(entries)
    seen: set[Identity] = set()
    at = 0
    while at < len(result):
        found = identity(result[at], None)
        # The last entry moves here, and is checked next: the position does not advance.
        if found in seen:
            last = result.pop()
            if at < len(result):
                result[at] = last
        else:
            seen.add(found)
            at += 1
    return result
