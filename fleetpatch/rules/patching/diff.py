"""The fields in which two documents differ, and the fields that a patch body names.

`difference` compares maps entry by entry, and lists and scalars as one value, since the entries of
a list have no names. Where a whole branch is new, its root is the field: the root was absent, so an
undo removes the root.

`touched_paths` also returns fields that hold their wanted value already. A patch sets each of them,
so it would overwrite a change that another writer makes between plan and patch.
"""

from collections.abc import Iterable, Iterator, Mapping

from fleetpatch.model.change import BodyPatch, PatchType
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
        for key in before.keys() | after.keys():
            yield from _differing(before.get(key, ABSENT), after.get(key, ABSENT), (*path, key))
    elif not deep_equal(before, after):
        yield path, before, after


_POINTERS = ("path", "from")


def touched_paths(change: BodyPatch, document: Json, rules: MergeRules) -> Iterator[Path]:
    """The fields that the body names, in no order; a list is one field.

    So is a map that an apply replaces as a whole, and each field of which only the server knows how
    an apply merges it (of a custom kind, above all): it may be replaced as a whole.
    """
    if change.type is PatchType.JSON:
        for operation in change.body:
            if operation.get("op") != "test":
                yield from _pointed_at(operation, document)
        return
    by_apply = change.type is PatchType.APPLY
    yield from _leaves(change.body, (), rules.by_apply if by_apply else None)
    if by_apply:
        for path in undecided(change.body, rules, by_apply=True):
            yield _field(document, list(path))


def outermost(paths: Iterable[Path]) -> list[Path]:
    """Return the paths, sorted, without those that lie within another one."""
    kept: list[Path] = []
    for path in sorted(set(paths)):
        if not (kept and path[: len(kept[-1])] == kept[-1]):
            kept.append(path)
    return kept


def _leaves(body: Json, path: Path, rule: Rule | None) -> Iterator[Path]:
    """The paths of all values that are not merged maps; a `$` directive concerns its whole map."""
    is_map = isinstance(body, Mapping) and rule is not ATOMIC
    if not is_map or any(key.startswith("$") for key in body):
        yield path
        return
    for key, value in body.items():
        yield from _leaves(value, (*path, key), field_rule(rule, key))


def _pointed_at(operation: Mapping[str, Json], document: Json) -> Iterator[Path]:
    for pointer in _POINTERS:
        if pointer in operation:
            yield _field(document, pointer_tokens(operation[pointer]))


def _field(node: Json, pointed: list[str]) -> Path:
    """The part of a pointer that leads through maps; a list is one field."""
    path: list[str] = []
    for step in pointed:
        if isinstance(node, list):
            break
        path.append(step)
        node = node.get(step) if isinstance(node, Mapping) else None
    return tuple(path)
