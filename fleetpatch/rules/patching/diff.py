"""Which fields two documents differ in.

Maps are compared entry by entry; lists and all else as one value, since a list has no names for its
places. Where a whole branch is new, its root is the field: what was absent was the root, and to
undo the change is to remove it.

Which fields a patch body speaks of, whether they change or hold their value already.

All of them are at stake: a patch sets each of them, so somebody else's change of one that was right
when the run was planned would be overwritten with the rest.
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
    """Leave out what lies within another one; sorted."""
    kept: list[Path] = []
    for path in sorted(set(paths)):
        if not (kept and path[: len(kept[-1])] == kept[-1]):
            kept.append(path)
    return kept


def _leaves(body: Json, path: Path, rule: Rule | None) -> Iterator[Path]:
    """Where a document has anything but a map to be merged; a directive is about a whole map."""
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
    """As far as a pointer leads through maps."""
    path: list[str] = []
    for step in pointed:
        if isinstance(node, list):
            break
        path.append(step)
        node = node.get(step) if isinstance(node, Mapping) else None
    return tuple(path)
