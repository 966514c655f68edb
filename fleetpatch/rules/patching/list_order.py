"""The order of a list after a strategic merge, as kube-apiserver sorts it.

Source: k8s.io/apimachinery, util/strategicpatch (`normalizeElementOrder`, `mergeSortedSlice`,
`deduplicateScalars`). `rule` has the key by which entries are known; without one they are scalars.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

from fleetpatch.model.fields import Json
from fleetpatch.rules.patching.json_patch import InapplicableError
from fleetpatch.rules.patching.merge_schema import Keyed, Rule

Identity: TypeAlias = tuple[type, Any]
"""What makes an entry of a list itself; the types of JSON's scalars are told apart, as Go does."""


def interleaved(
    merged: Sequence[Json], order: Sequence[Json], before: Sequence[Json], rule: Rule | None
) -> list[Json]:
    """`merged`, those of `order` in that order, the others where `before` has them."""
    first, then = places(order, rule), places(before, rule)
    listed, others = (
        _sorted([e for e in merged if (identity(e, rule) in first) is is_listed], known, rule)
        for is_listed, known in ((True, first), (False, then))
    )
    result: list[Json] = []
    for entry in listed:
        place = then.get(identity(entry, rule))
        while others and place is not None:
            other = then.get(identity(others[0], rule))
            if other is None or other >= place:
                break
            result.append(others.pop(0))
        result.append(entry)
    return [*result, *others]


def _sorted(entries: list[Json], known: dict[Identity, int], rule: Rule | None) -> list[Json]:
    """Entries by their places; those to be deleted, which only a new list still has, come last.

    One without a place counts as less than its neighbour, whichever that is: an insertion sort
    brings it to where the server's does (which has another way for more than 20 entries).
    """
    doomed = [e for e in entries if isinstance(e, dict) and e.get("$patch") == "delete"]
    result: list[tuple[int | None, Json]] = []
    for entry in entries:
        if isinstance(entry, dict) and entry.get("$patch") == "delete":
            continue
        place, at = known.get(identity(entry, rule)), len(result)
        while at and _is_less(place, result[at - 1][0]):
            at -= 1
        result.insert(at, (place, entry))
    return [*(entry for _, entry in result), *doomed]


def _is_less(place: int | None, other: int | None) -> bool:
    return place is None or other is None or place < other


def places(entries: Sequence[Json], rule: Rule | None) -> dict[Identity, int]:
    """Where each entry is first."""
    known: dict[Identity, int] = {}
    for at, entry in enumerate(entries):
        known.setdefault(identity(entry, rule), at)
    return known


def identity(entry: Json, rule: Rule | None) -> Identity:
    """The value of the merge key, or all of a scalar."""
    value = (
        entry.get(rule.keys[0]) if isinstance(rule, Keyed) and isinstance(entry, dict) else entry
    )
    if isinstance(value, dict | list):
        raise InapplicableError(f"{value!r} is not a scalar, so no list can be merged by it")
    return type(value), value


def deduplicated(entries: list[Json]) -> list[Json]:
    """Each entry once; the last one takes the place of a duplicate, as on the server."""
    result = list(entries)
    seen: set[Identity] = set()
    at = 0
    while at < len(result):
        found = identity(result[at], None)
        if found in seen:
            last = result.pop()
            if at < len(result):
                result[at] = last
        else:
            seen.add(found)
            at += 1
    return result
