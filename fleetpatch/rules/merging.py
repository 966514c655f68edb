"""Strategic merge, pure: a document and a patch in, a new document out.

Nothing is changed in place, and whatever a patch does not touch is shared with the old document.

A strategic merge follows the table of `fleetpatch.rules.strategy` and the code of kube-apiserver
where that goes beyond what is documented: what is not there yet is taken as it stands, nulls and
directives in it included; a merged list has the entries of the patch in their order, with those
that only the document has put before the first that follows them there. It is taken for granted
that a `$setElementOrder` and the list it belongs to agree, and that `$retainKeys` names what the
patch sets; clients that compute their patches see to both.
"""

from collections.abc import Sequence
from typing import Any, Final

from fleetpatch.model.equality import deep_equal, is_among
from fleetpatch.model.fields import Json
from fleetpatch.rules.jsonpatch import InapplicableError
from fleetpatch.rules.strategy import ROOT, Keyed, ListType, Rule, rule_of

_DIRECTIVE: Final = "$patch"
_RETAIN: Final = "$retainKeys"
_ORDER: Final = "$setElementOrder"
_DELETE_FROM: Final = "$deleteFromPrimitiveList"


def strategic_patched(document: Json, patch: Json) -> Json:
    """Kubernetes' strategic merge, for objects of its own kinds.

    Raises InapplicableError where a list to be merged by a key has an entry without it, or entries
    of several types, and for an unknown `$patch`.
    """
    if not isinstance(patch, dict):
        return patch
    return _merged_map(document if isinstance(document, dict) else {}, patch, ROOT)


def _merged(current: Json, patch: Json, rule: Rule | None) -> Json:
    match current, patch:
        case dict(), dict():
            return _merged_map(current, patch, rule if isinstance(rule, str) else "")
        case list(), list():
            return _merged_list(current, patch, rule)
        case _:
            return patch


def _merged_map(current: dict[str, Any], patch: dict[str, Any], kind: str) -> Json:
    if _DIRECTIVE in patch:
        return _directed(patch)
    retained = _listed(patch[_RETAIN]) if _RETAIN in patch else current
    result = {key: value for key, value in current.items() if key in retained}
    orders: dict[str, list[Json]] = {}
    for key, value in patch.items():
        directive, _, field = key.partition("/")
        if directive == _ORDER:
            orders[field] = _listed(value)
        elif directive == _DELETE_FROM:
            result[field] = _without(result.get(field), value)
        elif key == _RETAIN:
            pass  # obeyed above
        elif value is None:
            result.pop(key, None)
        else:
            found = key in result
            result[key] = _merged(result[key], value, rule_of(kind, key)) if found else value
    for field, order in orders.items():
        if isinstance(result.get(field), list):
            rule = rule_of(kind, field)
            result[field] = _reordered(result[field], order, current.get(field), rule)
    return result


def _listed(value: Json) -> list[Json]:
    if not isinstance(value, list):
        raise InapplicableError(f"{value!r} is no list, as a directive needs it")
    return value


def _without(current: Json, doomed: Json) -> Json:
    """The list without some scalars; where there is none the real server makes it of them."""
    if not (isinstance(current, list) and isinstance(doomed, list)):
        return doomed
    return [entry for entry in current if not is_among(entry, doomed)]


def _directed(patch: dict[str, Any]) -> dict[str, Any]:
    match patch[_DIRECTIVE]:
        case "replace":
            return {key: value for key, value in patch.items() if key != _DIRECTIVE}
        case "delete":
            return {}
        case other:
            raise InapplicableError(f"{other!r} is no $patch of a map")


def _merged_list(current: list[Json], patch: list[Json], rule: Rule | None) -> list[Json]:
    if not isinstance(rule, Keyed) and rule is not ListType.SET:
        return patch
    if not current and not patch:
        return current
    _check_entries([*current, *patch], rule)
    if rule is ListType.SET:
        united = list(dict.fromkeys([*current, *patch]))
        return _in_order(united, patch, current, rule)
    wanted = [entry for entry in patch if _DIRECTIVE not in entry]
    if any(entry.get(_DIRECTIVE) == "replace" for entry in patch):
        return wanted
    doomed = [_identity(entry, rule) for entry in patch if _DIRECTIVE in entry]
    kept = [entry for entry in current if not is_among(_identity(entry, rule), doomed)]
    return _in_order(_merged_entries(kept, wanted, rule), wanted, kept, rule)


def _merged_entries(current: list[Json], wanted: list[Json], rule: Keyed) -> list[Json]:
    result = list(current)
    for entry in wanted:
        place = _place(entry, result, rule)
        if place is None:
            result.append(entry)
        else:
            result[place] = _merged_map(result[place], entry, rule.entry)
    return result


def _reordered(
    merged: list[Json], order: list[Json], current: Json, rule: Rule | None
) -> list[Json]:
    """Sort by a `$setElementOrder`, as the server does it after the list has been merged."""
    if not isinstance(rule, Keyed) and rule is not ListType.SET:
        return merged
    _check_entries([*merged, *order], rule)
    before = current if isinstance(current, list) else []
    kept, added = (
        [entry for entry in merged if (_place(entry, before, rule) is None) == is_added]
        for is_added in (False, True)
    )
    kept.sort(key=lambda entry: _place(entry, before, rule) or 0)
    # The server merges in place: what it adds takes the places of what it deleted.
    return _in_order(merged, order, [*kept, *added][: len(before)], rule)


def _in_order(
    merged: list[Json], order: Sequence[Json], current: Sequence[Json], rule: Rule | None
) -> list[Json]:
    """`merged`, those of `order` in that order, with the others where `current` has them."""
    ordered: list[tuple[int, Json]] = []
    others: list[Json] = []
    for entry in merged:
        place = _place(entry, order, rule)
        if place is None:
            others.append(entry)
        else:
            ordered.append((place, entry))
    result: list[Json] = []
    for _, entry in sorted(ordered, key=lambda placed: placed[0]):
        place = _place(entry, current, rule)
        while others and _precedes(_place(others[0], current, rule), place):
            result.append(others.pop(0))
        result.append(entry)
    return [*result, *others]


def _precedes(first: int | None, second: int | None) -> bool:
    return first is not None and second is not None and first < second


def _place(entry: Json, entries: Sequence[Json], rule: Rule | None) -> int | None:
    """Where the first of `entries` is that is the same entry."""
    wanted = _identity(entry, rule)
    found = (at for at, each in enumerate(entries) if deep_equal(_identity(each, rule), wanted))
    return next(found, None)


def _identity(entry: Json, rule: Rule | None) -> Json:
    """What makes an entry of a list itself: the value of its key, or all of it."""
    return entry.get(rule.key) if isinstance(rule, Keyed) else entry


def _check_entries(entries: list[Json], rule: Rule) -> None:
    """Raise InapplicableError for what cannot be merged."""
    if not isinstance(rule, Keyed):
        if any(isinstance(entry, dict | list) or entry is None for entry in entries):
            raise InapplicableError("a set can hold scalars only")
        return
    for entry in entries:
        if not isinstance(entry, dict):
            raise InapplicableError(f"{entry!r} is no map, so it has no {rule.key}")
        match entry.get(_DIRECTIVE, "delete"):
            case "delete" if rule.key not in entry:
                raise InapplicableError(f"an entry has no {rule.key}, by which its list is merged")
            case "delete" | "replace":
                pass
            case other:
                raise InapplicableError(f"{other!r} is no $patch of an entry")
