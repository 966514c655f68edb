"""JSON Patch (RFC 6902), pure: a document and operations in, a new document out.

Nothing is changed in place, and whatever a patch does not touch is shared with the old document.
What real servers do beyond the RFC (kube-apiserver uses evanphx/json-patch) is done here as well:
`replace` of a missing map entry adds it, `copy` of one gives null, `test` of one equals null and
equals nothing at all, negative indices count from the end, and all copies together have a limit. A
list with a null in it cannot be tested: a server that compares one breaks the connection.

A server compares the texts of two values. Here the values are compared, because bodies are sent in
the spelling of a server (`fleetpatch.model.encoding`). The sandbox, which gets bodies in any
spelling, passes scalars that are spelled differently as values of a type of its own.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fleetpatch.model.encoding import encode
from fleetpatch.model.equality import deep_equal, has_null_entry
from fleetpatch.model.fields import Json

MAX_COPIED_BYTES: Final = 3 * 1024 * 1024
"""Bytes that all copies of one patch may have together (`AccumulatedCopySizeLimit` there)."""

# No list has more entries than 9 digits can count, and Python limits the digits of an int.
_INDEX: Final = re.compile(r"([+-]?)0*([0-9]{1,9})")
_MISSING: Final = object()


class InapplicableError(ValueError):
    """An operation cannot be done to the document; `str()` says which and why."""


def _itself(value: Json) -> Json:
    return value


def json_patched(
    document: Json,
    operations: Sequence[Mapping[str, Any]],
    copy: Callable[[Json], Json] = _itself,
) -> Json:
    """Do all operations, in their order. Raises InapplicableError where one cannot be done.

    `copy` makes what a copy of a value is.
    """
    copier = _Copier(copy)
    for operation in operations:
        document = _operated(document, operation, copier)
    return document


@dataclass(slots=True)
class _Copier:
    """Makes the copies of one patch, and counts what they take."""

    copy: Callable[[Json], Json]
    bytes_left: int = MAX_COPIED_BYTES

    def copied(self, value: Json) -> Json:
        if value is not None:
            self.bytes_left -= len(encode(value))
        if self.bytes_left < 0:
            raise InapplicableError(f"all copies together exceed {MAX_COPIED_BYTES} bytes")
        return self.copy(value)


def _operated(document: Json, operation: Mapping[str, Any], copier: _Copier) -> Json:
    path = pointer_tokens(operation.get("path"))
    match operation.get("op"):
        case "add":
            return _edited(document, path, _adder(operation.get("value")))
        case "replace":
            return _edited(document, path, _replacer(operation.get("value")))
        case "remove":
            return _edited(document, path, _removed)
        case "copy":
            value = _value_at(document, pointer_tokens(operation.get("from")))
            return _edited(document, path, _adder(copier.copied(value)))
        case "test":
            _test(_value_at(document, path), operation.get("value", _MISSING))
            return document
        case "move":
            source = pointer_tokens(operation.get("from"))
            value = _value_at(document, source)
            return _edited(_edited(document, source, _removed), path, _adder(value))
        case other:
            raise InapplicableError(f"{other!r} is not an operation of JSON Patch")


def pointer_tokens(path: Json) -> list[str]:
    """The reference tokens of a JSON Pointer; text before the first `/` is ignored, as servers do.

    Raises InapplicableError for text that is not a pointer.
    """
    if not isinstance(path, str) or "/" not in path:
        raise InapplicableError(f"{path!r} is not a JSON pointer")
    return [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]


def _edited(node: Json, path: list[str], edit: Callable[[Json, str], Json]) -> Json:
    """`node` with the container of `path` edited; every container on the way is a new one."""
    step, *rest = path
    if not isinstance(node, dict | list):
        raise InapplicableError(f"the parent of {step!r} is not a map or a list")
    if not rest:
        return edit(node, step)
    child = _edited(_child(node, step), rest, edit)
    if isinstance(node, dict):
        return {**node, step: child}
    index = _index(step, len(node))
    return [*node[:index], child, *node[index + 1 :]]


def _value_at(node: Json, path: list[str]) -> Json:
    for step in path:
        if not isinstance(node, dict | list):
            raise InapplicableError(f"the parent of {step!r} is not a map or a list")
        node = _child(node, step)
    return node


def _child(node: Json, step: str) -> Json:
    """An entry of a container; a missing one of a map is null."""
    if isinstance(node, dict):
        return node.get(step)
    return node[_index(step, len(node))]


def _adder(value: Json) -> Callable[[Json, str], Json]:
    def add(node: Json, step: str) -> Json:
        if isinstance(node, dict):
            return {**node, step: value}
        index = len(node) if step == "-" else _index(step, len(node) + 1)
        return [*node[:index], value, *node[index:]]

    return add


def _replacer(value: Json) -> Callable[[Json, str], Json]:
    def replace(node: Json, step: str) -> Json:
        if isinstance(node, dict):
            return {**node, step: value}
        index = _index(step, len(node))
        return [*node[:index], value, *node[index + 1 :]]

    return replace


def _removed(node: Json, step: str) -> Json:
    if isinstance(node, dict):
        if step not in node:
            raise InapplicableError(f"{step!r} is not there to be removed")
        return {key: value for key, value in node.items() if key != step}
    index = _index(step, len(node))
    return [*node[:index], *node[index + 1 :]]


def _index(step: str, length: int) -> int:
    found = _INDEX.fullmatch(step)
    index = int(found[1] + found[2]) if found else length
    if not -length <= index < length:
        raise InapplicableError(f"{step!r} is not an index of a list of {length}")
    return index % length


def _test(current: Json, wanted: Json) -> None:
    if wanted is _MISSING:
        wanted = None
    if not deep_equal(current, wanted):
        raise InapplicableError("a test failed")
    if has_null_entry(wanted):
        raise InapplicableError("a list with null in it cannot be tested; servers fail to")
