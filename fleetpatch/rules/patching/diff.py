"""The fields in which two documents differ, and the fields that a patch body names.

`difference` compares maps entry by entry, and lists and scalars as one value, since the entries of
a list have no names. Where a whole branch is new, its root is the field: the root was absent, so an
undo removes the root.

`touched_paths` also returns fields that already hold their wanted value. The patch sets them as
well, so it would overwrite a change that another writer makes between plan and patch.
"""

from collections.abc import Iterable, Iterator, Mapping

from fleetpatch.model.change import BodyPatch, Change, PatchType, merges_by_schema
from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import ABSENT, Fields, Json, Path, Value
from fleetpatch.rules.patching.json_patch import pointer_tokens
from fleetpatch.rules.patching.merge_rules import MergeRules, undecided
from fleetpatch.rules.patching.merge_schema import ATOMIC, Rule, field_rule


def difference(before: Json, after: Json) -> tuple[Fields, Fields]:
    """The fields that differ, with their values in `before` and in `after`, sorted by path."""
    found = sorted(_differing(before, after, ()), key=lambda field: field[0])
    return (
        {path: old for path, old, _ in found},
        {path: new for path, _, new in found},
    )


def _differing(before: Value, after: Value, path: Path) -> Iterator[tuple[Path, Value, Value]]:
    if isinstance(before, dict) and isinstance(after, dict):
        # ABSENT is not a map, so the recursion ends at the root of a branch that one side lacks.
        for key in before.keys() | after.keys():
            yield from _differing(before.get(key, ABSENT), after.get(key, ABSENT), (*path, key))
    elif not deep_equal(before, after):
        yield path, before, after


# `from` counts as well: a `move` removes that field, and a `copy` depends on its value.
_POINTERS = ("path", "from")


def touched_paths(change: BodyPatch, document: Json, rules: MergeRules) -> Iterator[Path]:
    """The fields that the body names, in no particular order; a list counts as one field.

    So does a map that an apply replaces as a whole. A field that only the server knows how to
    apply, such as most fields of a custom kind, may be replaced as a whole, so it counts as one
    field too.
    """
    if change.type is PatchType.JSON:
        for operation in change.body:
            # A `test` writes nothing.
            if operation.get("op") != "test":
                yield from _paths_of(operation, document)
        return
    by_apply = change.type is PatchType.APPLY
    strategic = change.type is PatchType.STRATEGIC
    rule = rules.by_apply if by_apply else None
    yield from _leaves(change.body, (), rule, directives=strategic)
    if by_apply:
        # These paths lead into lists by position; `_path_of` cuts them at the list.
        for path in undecided(change.body, rules, by_apply=True):
            yield _path_of(document, list(path))


def uncertain_paths(change: Change, rules: MergeRules) -> list[Path]:
    """The fields of a change that only the server knows how to merge."""
    if not merges_by_schema(change):
        return []
    return undecided(change.body, rules, by_apply=change.type is PatchType.APPLY)


def removes_by_name(change: BodyPatch, path: Path) -> bool:
    """Return whether all that the new value of a field lacks was removed by its name.

    A strategic merge names it, and so does a JSON Patch. But a map in a JSON Patch replaces another
    one as a whole, as a list in a merge does: it also lacks the defaults of that one.
    """
    if change.type is not PatchType.JSON:
        return change.type is PatchType.STRATEGIC
    return not any(
        operation["op"] in {"move", "copy"} or _has_map(operation.get("value"))
        for operation in change.body
        if operation["op"] != "test" and _is_within(path, operation["path"])
    )


def _is_within(path: Path, pointer: str) -> bool:
    return tuple(pointer_tokens(pointer)[: len(path)]) == path


def _has_map(value: Json) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(map(_has_map, value)))


def outermost(paths: Iterable[Path]) -> list[Path]:
    """Return the paths, sorted, without those that lie within another one."""
    kept: list[Path] = []
    # Sorted tuples have a prefix directly before all that it is a prefix of, so it is enough to
    # compare with the path that was kept last.
    for path in sorted(set(paths)):
        if not (kept and path[: len(kept[-1])] == kept[-1]):
            kept.append(path)
    return kept


def _leaves(body: Json, path: Path, rule: Rule | None, *, directives: bool) -> Iterator[Path]:
    """The paths of all values that are not merged maps.

    A directive of a strategic patch, such as `$patch: replace`, applies to the map that contains it
    as a whole. In other patches a key that begins with `$` is a field.
    """
    is_map = isinstance(body, Mapping) and rule is not ATOMIC
    if not is_map or (directives and any(key.startswith("$") for key in body)):
        yield path
        return
    for key, value in body.items():
        yield from _leaves(value, (*path, key), field_rule(rule, key), directives=directives)


def _paths_of(operation: Mapping[str, Json], document: Json) -> Iterator[Path]:
    for pointer in _POINTERS:
        if pointer in operation:
            yield _path_of(document, pointer_tokens(operation[pointer]))


def _path_of(node: Json, tokens: list[str]) -> Path:
    """The leading tokens of a pointer that lead through maps; a list counts as one field."""
    path: list[str] = []
    for step in tokens:
        if isinstance(node, list):
            break
        path.append(step)
        node = node.get(step) if isinstance(node, Mapping) else None
    return tuple(path)
