"""JSON Patch (RFC 6902) as a pure function: a document and operations in, a new document out.

Nothing is changed in place. What the patch does not touch is shared with the old document.

kube-apiserver uses evanphx/json-patch, which differs from the RFC. This module does the same:

- `replace` of a missing map entry adds it;
- `copy` of a missing map entry copies null;
- `test` of a missing map entry succeeds if the wanted value is null or is missing too;
- a negative index counts from the end of the list;
- the size of all copies together is limited;
- a list that contains null cannot be tested: a server that compares one breaks the connection.

A server compares the texts of two values. This module compares the values, because bodies are sent
in the spelling of a server (`fleetpatch.model.encoding`). The sandbox receives bodies in any
spelling, and passes scalars that are spelled differently as values of its own type.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from fleetpatch.model.encoding import encode
from fleetpatch.model.equality import deep_equal, has_null_entry
from fleetpatch.model.fields import Json

MAX_COPIED_BYTES: Final = 3 * 1024 * 1024
"""Bytes that all copies of one patch may take (`AccumulatedCopySizeLimit` of evanphx/json-patch).

kube-apiserver sets it to the largest request body that it accepts.
"""

# No list has more entries than 9 digits can count, and Python limits the digits of an int.
_INDEX: Final = re.compile(r"([+-]?)0*([0-9]{1,9})")
_MISSING: Final = object()


class InapplicableError(ValueError):
    """A patch cannot be applied to the document; `str()` says why."""


def _same(value: Json) -> Json:
    return value


def json_patched(
    document: Json,
    operations: Sequence[Mapping[str, Any]],
    copy: Callable[[Json], Json] = _same,
) -> Json:
    """Apply all operations in their order. Raises InapplicableError if one cannot be applied.

    `copy` returns the value that a `copy` operation inserts. Values are never changed in place, so
    the value itself will do, unless its type records how it was spelled.
    """
    copier = _Copier(copy)
    for number, operation in enumerate(operations, 1):
        try:
            document = _apply_operation(document, operation, copier)
        except InapplicableError as error:
            raise InapplicableError(f"operation {number}: {error}") from None
    return document


class _Copier(msgspec.Struct):
    """Makes the copies of one patch and limits their total size."""

    copy: Callable[[Json], Json]
    bytes_left: int = MAX_COPIED_BYTES

    def copy_value(self, value: Json) -> Json:
        # The server counts nothing for the null that it copies of a missing entry.
        if value is not None:
            self.bytes_left -= len(encode(value))
        if self.bytes_left < 0:
            raise InapplicableError(f"all copies together exceed {MAX_COPIED_BYTES} bytes")
        return self.copy(value)


def _apply_operation(document: Json, operation: Mapping[str, Any], copier: _Copier) -> Json:
    path = pointer_tokens(operation.get("path"))
    match operation.get("op"):
        case "add":
            return _edit_at(document, path, _adder(operation.get("value")))
        case "replace":
            return _edit_at(document, path, _replacer(operation.get("value")))
        case "remove":
            return _edit_at(document, path, _remove)
        case "copy":
            value = _value_at(document, pointer_tokens(operation.get("from")))
            return _edit_at(document, path, _adder(copier.copy_value(value)))
        case "test":
            _test(_value_at(document, path), operation.get("value", _MISSING))
            return document
        case "move":
            source = pointer_tokens(operation.get("from"))
            value = _value_at(document, source)
            # The path is resolved after the removal (RFC 6902, 4.4): indices may have shifted.
            return _edit_at(_edit_at(document, source, _remove), path, _adder(value))
        case other:
            raise InapplicableError(f"{other!r} is not an operation of JSON Patch")


def pointer_tokens(path: Json) -> list[str]:
    """The reference tokens of a JSON Pointer; text before the first `/` is ignored, as servers do.

    Raises InapplicableError for text that is not a pointer.
    """
    if not isinstance(path, str) or "/" not in path:
        raise InapplicableError(f"{path!r} is not a JSON pointer")
    return [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]


def _edit_at(node: Json, path: list[str], edit: Callable[[Json, str], Json]) -> Json:
    """Apply `edit` to the container that holds `path`; every container on the way is a new one."""
    step, *rest = path
    if not isinstance(node, dict | list):
        raise InapplicableError(f"the parent of {step!r} is not a map or a list")
    if not rest:
        return edit(node, step)
    child = _edit_at(_child(node, step), rest, edit)
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
    """An entry of a container; a missing entry of a map is null."""
    if isinstance(node, dict):
        return node.get(step)
    return node[_index(step, len(node))]


def _adder(value: Json) -> Callable[[Json, str], Json]:
    def add(node: Json, step: str) -> Json:
        if isinstance(node, dict):
            return {**node, step: value}
        # One more index is valid than the list has entries: that of the end. `-` names it, too.
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


def _remove(node: Json, step: str) -> Json:
    if isinstance(node, dict):
        if step not in node:
            raise InapplicableError(f"{step!r} cannot be removed, because the map does not have it")
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
        raise InapplicableError("the tested value differs from the value in the object")
    # Checked last, because values that differ fail the test in any case.
    if has_null_entry(wanted):
        raise InapplicableError("a list that contains null cannot be tested; API servers fail then")
