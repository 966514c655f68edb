"""Strategic merge patch as a pure function: a document and a patch in, a new document out.

The rules are those of kube-apiserver (k8s.io/apimachinery, util/strategicpatch). Their order shows
in the result: `$retainKeys` first, then each `$setElementOrder` together with its list, then the
other fields. So `$deleteFromPrimitiveList` works on a list that is in order already.

A merged list has the entries of the patch in the order of the patch (or of `$setElementOrder`).
An entry that only the document has is put before the first entry that follows it in the document.
"""

from typing import Any, Final

import msgspec

from fleetpatch.model.fields import ABSENT, Json, Value
from fleetpatch.rules.patching.json_patch import InapplicableError
from fleetpatch.rules.patching.list_order import deduplicated, identity, interleaved, places
from fleetpatch.rules.patching.merge_rules import MergeRules
from fleetpatch.rules.patching.merge_schema import SET, Keyed, Rule, field_rule

_DIRECTIVE: Final = "$patch"
_RETAIN: Final = "$retainKeys"
_ORDER: Final = "$setElementOrder"
_DELETE_FROM: Final = "$deleteFromPrimitiveList"


class DirectiveError(InapplicableError):
    """A directive is malformed, or contradicts the patch; servers answer 400 instead of 500."""


def strategic_patched(document: Json, patch: Json, rules: MergeRules) -> Json:
    """Merge `patch` into a whole object of a kind that merges by `rules`.

    Raises InapplicableError for what the server refuses: an entry without the merge key of its
    list, entries of different types, and directives that are unknown or contradict their patch.
    """
    if not isinstance(patch, dict):
        return patch
    current = document if isinstance(document, dict) else {}
    return _Merge(rules.legacy).maps(current, patch, rules.by_patch)


class _Merge(msgspec.Struct, frozen=True):
    """The merge as a server does it: a current one, or a `legacy` one (see `MergeRules`)."""

    legacy: bool

    def maps(self, current: dict[str, Any], patch: dict[str, Any], rule: Rule | None) -> Json:
        # `$patch` on a map decides alone: the rest of the patch is the new map, or is ignored.
        if _DIRECTIVE in patch:
            return _directed(patch)
        result = _retained(current, patch)
        pending = {key: value for key, value in patch.items() if key != _RETAIN}
        # Each order is handled with its list, which is removed from `pending`: a list with an order
        # is merged and sorted in one step.
        for key in [key for key in pending if key.startswith(_ORDER)]:
            order, field = pending.pop(key), _named_field(key, _ORDER)
            inner = field_rule(rule, field)
            value = self._in_set_order(
                result.get(field, ABSENT), pending.pop(field, ABSENT), order, inner
            )
            if value is not ABSENT:
                result[field] = value
        # A Go map has no order, so a server may delete from a list before it merges the list, or
        # after. Here the deletion always comes last, so that equal inputs give equal results.
        for key in sorted(pending, key=lambda key: key.startswith(_DELETE_FROM)):
            deletes = key.startswith(_DELETE_FROM)
            field = _named_field(key, _DELETE_FROM) if deletes else key
            self._set(result, field, pending[key], field_rule(rule, field), deletes=deletes)
        return result

    def _set(
        self, result: dict[str, Any], field: str, value: Json, rule: Rule | None, *, deletes: bool
    ) -> None:
        if value is None:
            result.pop(field, None)
            return
        # Values of different types do not merge: the new one replaces the old one.
        match result.get(field, ABSENT), value:
            case dict() as current, dict():
                result[field] = self.maps(current, value, rule)
            case list() as current, list():
                result[field] = self._lists(current, value, rule, deletes=deletes)
            case current, _ if deletes and type(current) is not type(value):
                # There is no list to delete from. Legacy servers store the list of deletions.
                if self.legacy:
                    result[field] = value
            case _:
                new = self._new_value(value)
                if new is ABSENT:
                    result.pop(field, None)
                else:
                    result[field] = new

    def _new_value(self, value: Json) -> Value:
        """A value that has no old value to merge with; ABSENT if it is only a directive."""
        return value if self.legacy else _without_directives(_without_nulls(value))

    def _lists(
        self, current: list[Json], patch: list[Json], rule: Rule | None, *, deletes: bool = False
    ) -> list[Json]:
        merges = isinstance(rule, Keyed) or rule is SET
        # Current servers delete from a list of any kind; legacy ones replace an atomic list.
        if not merges and (self.legacy or not deletes):
            return patch
        # `_entry_type` refuses lists without entries, as they have no type.
        if not current and not patch:
            return current
        if _entry_type(current, patch) is not dict:
            return _united(current, patch, rule, deletes=deletes)
        if not isinstance(rule, Keyed):
            raise InapplicableError("a set can hold scalars only")
        _check_entries([*current, *patch], rule)
        wanted = [entry for entry in patch if _DIRECTIVE not in entry]
        # In a list, `replace` is an entry of its own and concerns the whole list.
        if any(entry.get(_DIRECTIVE) == "replace" for entry in patch):
            return wanted
        # Deletions come first, so that an entry that is deleted and set is a new one.
        kept = _kept(current, patch, rule)
        return interleaved(self._entries(kept, wanted, rule), wanted, kept, rule)

    def _entries(self, current: list[Json], wanted: list[Json], rule: Keyed) -> list[Json]:
        result = list(current)
        known = places(result, rule)
        for entry in wanted:
            # A new entry is registered at the end, so that its duplicate in the patch merges with
            # it.
            place = known.setdefault(identity(entry, rule), len(result))
            if place == len(result):
                result.append(entry)
            else:
                result[place] = self.maps(result[place], entry, rule.entry)
        return result

    def _in_set_order(self, current: Value, wanted: Value, order: Json, rule: Rule | None) -> Value:
        """Merge and sort a list that has a `$setElementOrder`; `wanted` is the list in the patch.

        Returns ABSENT if neither the object nor the patch has the list.
        """
        for each in (current, wanted, order):
            if not isinstance(each, list) and each is not ABSENT:
                raise InapplicableError(
                    f"{_ORDER} and its field must be lists, but {each!r} is not a list"
                )
        _check_order([] if wanted is ABSENT else wanted, order, rule)
        # Without a list in the patch the object's list is only sorted, and the other way round.
        match current, wanted:
            case list(), list():
                merged = self._lists(current, wanted, rule)
                before = _merged_in_place(current, wanted, rule)
            case list(), _:
                merged = before = current
            case _, list():
                merged = wanted if self.legacy else _plain_entries(wanted)
                before = []
            case _:
                return ABSENT
        # The server checks the types even where nothing is merged, also that a list has entries.
        _entry_type(*(each for each in (current, wanted) if isinstance(each, list)))
        if isinstance(rule, Keyed):
            _check_entries([*merged, *order], rule)
        return interleaved(merged, order, before, rule)


def _directed(patch: dict[str, Any]) -> dict[str, Any]:
    match patch[_DIRECTIVE]:
        case "replace":
            return {key: value for key, value in patch.items() if key != _DIRECTIVE}
        case "delete":
            return {}
        case other:
            raise InapplicableError(f"{other!r} is not a valid $patch of a map")


def _retained(current: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """The fields that `$retainKeys` keeps; it must name every field that the patch sets."""
    if _RETAIN not in patch:
        return dict(current)
    names = patch[_RETAIN]
    if not isinstance(names, list) or any(isinstance(name, dict | list) for name in names):
        raise DirectiveError(f"{_RETAIN} must be a list of field names, but it is {names!r}")
    for key, value in patch.items():
        is_directive = key == _RETAIN or key.startswith((_ORDER, _DELETE_FROM))
        if value is not None and not is_directive and key not in names:
            raise DirectiveError(f"{_RETAIN} does not name {key}, which the patch sets")
    return {key: value for key, value in current.items() if key in names}


def _named_field(key: str, directive: str) -> str:
    """The field that `$directive/field` names."""
    found, slash, field = key.partition("/")
    if found != directive or not slash:
        raise DirectiveError(f"{key!r} is not a valid directive; write {directive}/FIELD")
    return field


def _without_nulls(value: Json) -> Json:
    match value:
        case dict():
            return {key: _without_nulls(one) for key, one in value.items() if one is not None}
        case list():
            return [_without_nulls(one) for one in value]
        case _:
            return value


def _without_directives(value: Json) -> Value:
    """The value without maps that contain `$patch`; ABSENT if it is such a map itself."""
    match value:
        case dict() if _DIRECTIVE in value:
            return ABSENT
        case dict():
            found = ((key, _without_directives(one)) for key, one in value.items())
            return {key: one for key, one in found if one is not ABSENT}
        case list():
            return _plain_entries(value)
        case _:
            return value


def _plain_entries(entries: list[Json]) -> list[Json]:
    return [one for one in map(_without_directives, entries) if one is not ABSENT]


def _entry_type(*lists: list[Json]) -> type:
    """The type of all entries. Raises InapplicableError unless they have one type."""
    types = {type(entry) for entries in lists for entry in entries}
    if len(types) != 1 or types & {list, type(None)}:
        raise InapplicableError(
            "the entries of a list that is merged must be all maps or all scalars of one type"
        )
    return types.pop()


def _united(
    current: list[Json], patch: list[Json], rule: Rule | None, *, deletes: bool
) -> list[Json]:
    """The union of two lists of scalars; with `deletes`, the first without those of the second."""
    if deletes:
        deleted = places(patch, None)
        return [entry for entry in current if identity(entry, None) not in deleted]
    if isinstance(rule, Keyed):
        raise InapplicableError(f"the entries are not maps, so they have no {rule.keys[0]}")
    # Without a patch the server does not sort, so the deduplicated list keeps its order.
    united = deduplicated([*current, *patch])
    return interleaved(united, patch, current if patch else united, rule)


def _kept(current: list[Json], patch: list[Json], rule: Keyed) -> list[Json]:
    """The entries of `current` that no `$patch: delete` names."""
    deleted = {identity(entry, rule) for entry in patch if entry.get(_DIRECTIVE) == "delete"}
    return [entry for entry in current if identity(entry, rule) not in deleted]


def _merged_in_place(current: list[Json], wanted: list[Json], rule: Rule | None) -> list[Json]:
    """The old list as the server sees it when it sorts: after the merge has changed it.

    The server merges in place, in Go's array of the old list: added entries take the places of the
    deleted ones, and the length stays the old one.
    """
    if not isinstance(rule, Keyed):
        return current if wanted else deduplicated(current)
    kept = _kept(current, wanted, rule)
    if any(entry.get(_DIRECTIVE) == "replace" for entry in wanted):
        return kept
    known = places(kept, rule)
    plain = (entry for entry in wanted if _DIRECTIVE not in entry)
    added = [entry for entry in plain if identity(entry, rule) not in known]
    return [*kept, *added][: len(current)]


def _check_order(wanted: list[Json], order: list[Json], rule: Rule | None) -> None:
    """Raise InapplicableError unless the order has the entries of the patch, in their order."""
    # An order does not name entries with directives, because they are not in the result.
    plain = [entry for entry in wanted if not (isinstance(entry, dict) and _DIRECTIVE in entry)]
    if not order or not wanted:
        return
    if isinstance(rule, Keyed):
        _check_entries([*wanted, *order], rule)
    # `in` consumes the iterator up to the entry that it finds, so this tests for a subsequence.
    following = iter([identity(entry, rule) for entry in order])
    if not all(identity(entry, rule) in following for entry in plain):
        raise InapplicableError(
            f"{_ORDER} must name all entries of the list in the patch, in the same order"
        )


def _check_entries(entries: list[Json], rule: Keyed) -> None:
    """Raise InapplicableError for an entry that cannot be merged by the merge key."""
    key = rule.keys[0]
    for entry in entries:
        if not isinstance(entry, dict):
            raise InapplicableError(f"{entry!r} is not a map, so it has no {key}")
        # An entry without a directive needs the key as much as one that is deleted.
        match entry.get(_DIRECTIVE, "delete"):
            case "delete" if key not in entry:
                raise InapplicableError(f"an entry has no {key}, which is its list's merge key")
            case "delete" | "replace":
                pass
            case other:
                raise InapplicableError(f"{other!r} is not a valid $patch of an entry")
