"""Which fields a patch body speaks of, whether they change or hold their value already.

All of them are at stake: a patch sets each of them, so somebody else's change of one that was right
when the run was planned would be overwritten with the rest.
"""

from collections.abc import Iterable, Iterator, Mapping

from fleetpatch.model.change import BodyPatch, PatchType
from fleetpatch.model.fields import Json, Path
from fleetpatch.rules.jsonpatch import steps
from fleetpatch.rules.schema import ATOMIC, Rule, field_rule
from fleetpatch.rules.strategy import MergeRules, undecided

_POINTERS = ("path", "from")


def at_stake(change: BodyPatch, document: Json, rules: MergeRules) -> Iterator[Path]:
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
            yield _field(document, steps(operation[pointer]))


def _field(node: Json, pointed: list[str]) -> Path:
    """As far as a pointer leads through maps."""
    path: list[str] = []
    for step in pointed:
        if isinstance(node, list):
            break
        path.append(step)
        node = node.get(step) if isinstance(node, Mapping) else None
    return tuple(path)
