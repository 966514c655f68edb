"""Kubernetes' strategic merge, pure: a document and a patch in, a new document out.

The rules are those of kube-apiserver (k8s.io/apimachinery, util/strategicpatch), in its order,
which shows in the result: `$retainKeys` first, then each `$setElementOrder` together with the list
that it belongs to, then the other fields. So `$deleteFromPrimitiveList` meets an ordered list.

A merged list has the entries of the patch in the order of the patch (or of `$setElementOrder`);
those that only the document has come before the first entry that follows them in the document.
"""

from dataclasses import dataclass
from typing import Any, Final

from fleetpatch.model.fields import ABSENT, Json, Value
from fleetpatch.rules.patching.json_patch import InapplicableError
from fleetpatch.rules.patching.list_order import deduplicated, identity, interleaved, places
from fleetpatch.rules.patching.merge_rules import MergeRules
from fleetpatch.rules.patching.merge_schema import SET, Keyed, Rule, field_rule

_DIRECTIVE: Final = "$patch"
_RETAIN: Final = "$retainKeys"
_ORDER: Final = "$setElementOrder"
_DELETE_FROM: Final = "$deleteFromPrimitiveList"


def strategic_patched(document: Json, patch: Json, rules: MergeRules) -> Json:
    """Merge `patch` into a whole object of a kind that merges by `rules`.

    Raises InapplicableError for what the server refuses: a list to be merged by a key that an entry
    lacks, entries of several types, directives that are unknown or contradict the patch they are
    in.
    """
    if not isinstance(patch, dict):
        return patch
    current = document if isinstance(document, dict) else {}
    return _Merge(rules.legacy).maps(current, patch, rules.by_patch)


@dataclass(frozen=True, slots=True)
class _Merge:
    """The merge as a server does it: a current one, or a `legacy` one (see `MergeRules`)."""

    legacy: bool

    def maps(self, current: dict[str, Any], patch: dict[str, Any], rule: Rule | None) -> Json:
        if _DIRECTIVE in patch:
            return _directed(patch)
        result = _retained(current, patch)
        pending = {key: value for key, value in patch.items() if key != _RETAIN}
        for key in [key for key in pending if key.startswith(_ORDER)]:
            order, field = pending.pop(key), _named_field(key, _ORDER)
            inner = field_rule(rule, field)
            value = self._in_set_order(
                result.get(field, ABSENT), pending.pop(field, ABSENT), order, inner
            )
            if value is not ABSENT:
                result[field] = value
        # The server takes them in any order; lists come before what is deleted from them here.
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
        match result.get(field, ABSENT), value:
            case dict() as current, dict():
                result[field] = self.maps(current, value, rule)
            case list() as current, list():
                result[field] = self._lists(current, value, rule, deletes=deletes)
            case current, _ if deletes and type(current) is not type(value):
                if self.legacy:
                    result[field] = value
            case _:
                new = self._taken(value)
                if new is ABSENT:
                    result.pop(field, None)
                else:
                    result[field] = new

    def _taken(self, value: Json) -> Value:
        """A value that nothing is merged with; ABSENT where it is nothing but a directive."""
        return value if self.legacy else _without_directives(_without_nulls(value))

    def _lists(
        self, current: list[Json], patch: list[Json], rule: Rule | None, *, deletes: bool = False
    ) -> list[Json]:
        merges = isinstance(rule, Keyed) or rule is SET
        if not merges and (self.legacy or not deletes):
            return patch
        if not current and not patch:
            return current
        if _entry_type(current, patch) is not dict:
            return _united(current, patch, rule, deletes=deletes)
        if not isinstance(rule, Keyed):
            raise InapplicableError("a set can hold scalars only")
        _check_entries([*current, *patch], rule)
        wanted = [entry for entry in patch if _DIRECTIVE not in entry]
        if any(entry.get(_DIRECTIVE) == "replace" for entry in patch):
            return wanted
        kept = _kept(current, patch, rule)
        return interleaved(self._entries(kept, wanted, rule), wanted, kept, rule)

    def _entries(self, current: list[Json], wanted: list[Json], rule: Keyed) -> list[Json]:
        result = list(current)
        known = places(result, rule)
        for entry in wanted:
            place = known.setdefault(identity(entry, rule), len(result))
            if place == len(result):
                result.append(entry)
            else:
                result[place] = self.maps(result[place], entry, rule.entry)
        return result

    def _in_set_order(self, current: Value, wanted: Value, order: Json, rule: Rule | None) -> Value:
        """A list that the patch has a `$setElementOrder` for; `wanted` is the list in the patch."""
        for each in (current, wanted, order):
            if not isinstance(each, list) and each is not ABSENT:
                raise InapplicableError(f"{_ORDER} is a list, as its field is; {each!r} is not")
        _check_order([] if wanted is ABSENT else wanted, order, rule)
        match current, wanted:
            case list(), list():
                merged = self._lists(current, wanted, rule)
                before = _left_in_place(current, wanted, rule)
            case list(), _:
                merged = before = current
            case _, list():
                merged = wanted if self.legacy else _plain_entries(wanted)
                before = []
            case _:
                return ABSENT
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
    """What `$retainKeys` leaves; it must name every field that the patch sets."""
    if _RETAIN not in patch:
        return dict(current)
    names = patch[_RETAIN]
    if not isinstance(names, list) or any(isinstance(name, dict | list) for name in names):
        raise InapplicableError(f"{_RETAIN} is a list of fields, {names!r} is not")
    for key, value in patch.items():
        is_directive = key == _RETAIN or key.startswith((_ORDER, _DELETE_FROM))
        if value is not None and not is_directive and key not in names:
            raise InapplicableError(f"{_RETAIN} does not name {key}, which the patch sets")
    return {key: value for key, value in current.items() if key in names}


def _named_field(key: str, directive: str) -> str:
    """The field that `$directive/field` is about."""
    found, slash, field = key.partition("/")
    if found != directive or not slash:
        raise InapplicableError(f"{key!r} is not a valid directive: {directive}/FIELD")
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
    """The value without maps that have a `$patch` in them; ABSENT where it is one itself."""
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
    """The one type that all entries have."""
    types = {type(entry) for entries in lists for entry in entries}
    if len(types) != 1 or types & {list, type(None)}:
        raise InapplicableError("the entries of a list to be merged are all maps or all scalars")
    return types.pop()


def _united(
    current: list[Json], patch: list[Json], rule: Rule | None, *, deletes: bool
) -> list[Json]:
    """Two lists of scalars, or the first without what is in the second (`deletes`)."""
    if deletes:
        doomed = places(patch, None)
        return [entry for entry in current if identity(entry, None) not in doomed]
    if isinstance(rule, Keyed):
        raise InapplicableError(f"the entries are not maps, so they have no {rule.keys[0]}")
    united = deduplicated([*current, *patch])
    return interleaved(united, patch, current if patch else united, rule)


def _kept(current: list[Json], patch: list[Json], rule: Keyed) -> list[Json]:
    doomed = {identity(entry, rule) for entry in patch if entry.get(_DIRECTIVE) == "delete"}
    return [entry for entry in current if identity(entry, rule) not in doomed]


def _left_in_place(current: list[Json], wanted: list[Json], rule: Rule | None) -> list[Json]:
    """What the list of the document holds once another one was merged into it.

    The server merges in place: what it adds takes the places of what it deleted.
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
    plain = [entry for entry in wanted if not (isinstance(entry, dict) and _DIRECTIVE in entry)]
    if not order or not wanted:
        return
    if isinstance(rule, Keyed):
        _check_entries([*wanted, *order], rule)
    following = iter([identity(entry, rule) for entry in order])
    if not all(identity(entry, rule) in following for entry in plain):
        raise InapplicableError(f"{_ORDER} does not have the list of the patch in its order")


def _check_entries(entries: list[Json], rule: Keyed) -> None:
    """Raise InapplicableError for what cannot be merged by a key."""
    key = rule.keys[0]
    for entry in entries:
        if not isinstance(entry, dict):
            raise InapplicableError(f"{entry!r} is not a map, so it has no {key}")
        match entry.get(_DIRECTIVE, "delete"):
            case "delete" if key not in entry:
                raise InapplicableError(f"an entry has no {key}, by which its list is merged")
            case "delete" | "replace":
                pass
            case other:
                raise InapplicableError(f"{other!r} is not a valid $patch of an entry")
