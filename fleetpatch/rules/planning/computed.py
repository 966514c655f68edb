"""The values that expressions yield for an object, before they become its change.

They pass the same checks as literals in the plan.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from fleetpatch.model.change import BodyPatch, PatchType, PlanChange
from fleetpatch.model.fields import (
    ABSENT,
    MAX_DEPTH,
    TOO_DEEP,
    Fields,
    Json,
    Path,
    is_deeper,
    show,
)
from fleetpatch.model.names import problem_of_annotations, problem_of_label_value
from fleetpatch.model.ports import Evaluated, MissingKey, Subject
from fleetpatch.model.resource import Resource
from fleetpatch.model.target import Seen

_KEYED: Final = (("metadata", "labels"), ("metadata", "annotations"))
_DIRECTIVES: Final = ("$patch", "$setElementOrder/", "$deleteFromPrimitiveList/", "$retainKeys")
_SHOWN: Final = 5
"""Objects that a refusal names."""


class ExpressionErrors:
    """Counts the objects whose expressions fail, or yield a value that is not valid.

    `missing_keys` counts the keys that were looked up and have no row, by table and key.
    """

    def __init__(self) -> None:
        self.count = 0
        self.first: list[str] = []
        self.missing_keys: Counter[MissingKey] = Counter()

    def add(self, place: str, problem: str, missing_keys: Iterable[MissingKey] = ()) -> None:
        """Count an object; `place` names it."""
        self.count += 1
        self.missing_keys.update(missing_keys)
        if len(self.first) < _SHOWN:
            self.first.append(f"{place}: {problem}")

    def keys(self) -> list[tuple[str, str, int]]:
        """Return table, key and number of lookups of each missing key, the most frequent first."""
        found = ((one.table, one.key, count) for one, count in self.missing_keys.items())
        return sorted(found, key=lambda one: (-one[2], *one))


def subject_of(resource: Resource, seen: Seen) -> Subject:
    """Return what expressions see of an object."""
    if seen.whole is not None:
        document = seen.whole
    else:
        labels, annotations = dict(seen.labels), dict(seen.annotations)
        document = {
            "metadata": seen.metadata or {"labels": labels, "annotations": annotations},
        }
    # The items of some lists lack them.
    names = {"apiVersion": resource.api_version, "kind": resource.kind}
    return Subject(seen.namespace, {**names, **document})


def is_found(result: Evaluated) -> bool:
    """Report whether an object becomes a target: `where` selects it, or cannot be evaluated."""
    return result.matches or bool(result.error)


def problem_of_values(change: PlanChange, seen: Seen, values: Fields) -> str:
    """Say which computed value is not valid, as a value of the plan would be; '' if all are."""
    for path, value in values.items():
        if value is ABSENT:
            continue
        if isinstance(change, BodyPatch):
            problem = _of_body(change, path, value)
        else:
            problem = _of_metadata(path, value)
        if problem:
            return f"{show(path)}: {problem}"
    return "" if isinstance(change, BodyPatch) else _of_annotations(change, seen, values)


def _of_metadata(path: Path, value: Json) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return f"is {_named(value)}, and must be text; write string(...) around the expression"
    return (problem_of_label_value(value) or "") if path[1] == "labels" else ""


def _of_annotations(change: PlanChange, seen: Seen, values: Fields) -> str:
    """Say if the computed annotations make the object's annotations too large together."""
    computed = {
        path[2]: value
        for path, value in values.items()
        if path[1] == "annotations" and isinstance(value, str)
    }
    if not computed or isinstance(change, BodyPatch):
        return ""
    literal = {key: value for key, value in change.annotations.items() if value is not None}
    return problem_of_annotations({**seen.annotations, **literal, **computed}) or ""


def _of_body(change: BodyPatch, path: Path, value: Json) -> str:
    if path[:-1] in _KEYED:
        # In a merge null removes the key; an apply cannot contain it.
        if not isinstance(value, str) and value is not None:
            return f"is {_named(value)}, and must be text; write string(...) around the expression"
        if path[1] == "labels" and isinstance(value, str):
            return problem_of_label_value(value) or ""
    if is_deeper(value, MAX_DEPTH - len(path)):
        return TOO_DEEP.replace("the object", "the value")
    for part in _parts(value):
        if part is None and change.type is PatchType.APPLY:
            return "is or contains null, which an apply cannot; an absent optional leaves it out"
        if change.type is PatchType.STRATEGIC and _is_directive(part):
            return "contains a directive of strategic patches ($patch, ...), which must be literal"
    return ""


def _parts(value: Json) -> Iterator[Json]:
    """Yield the value and all values within it, which is not deeper than MAX_DEPTH."""
    yield value
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _parts(part)


def _is_directive(part: Json) -> bool:
    return isinstance(part, dict) and any(key.startswith(_DIRECTIVES) for key in part)


def _named(value: Json) -> str:
    match value:
        case bool():
            return "a truth value"
        case int() | float():
            return f"the number {value}"
        case list():
            return "a list"
    return "a map"
