"""Check the operations of a JSON Patch. `test` may read any field; the others write."""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, TypeGuard

from fleetpatch.model.encoding import encode
from fleetpatch.model.equality import has_null_entry
from fleetpatch.model.fields import Json, Path
from fleetpatch.model.plan.checks.server_fields import (
    SHARED_MAPS,
    TYPE_META,
    UNPATCHABLE,
    WHOLE_MAP,
)
from fleetpatch.model.plan.problems import Finding, TreePath
from fleetpatch.model.plan.tree import list_at, mapping_at, sections

GUARDS: Final = 2
"""Operations that are sent before the plan's own: tests of uid and resourceVersion."""

MOST: Final = 10_000 - GUARDS
"""The maximum number of operations in a plan: a server accepts 10,000 in total.

Source: k8s.io/apiserver, endpoints/handlers/patch.go, `maxJSONPatchOperations`.
"""

_TWO_ENDED: Final = ("move", "copy")
_WITH_VALUE: Final = ("add", "replace", "test")
# `\b` or `\f` in encoded JSON, after an even number of backslashes: those are escaped ones.
_SPELLED_TWO_WAYS: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\[bf]")

WRITTEN_POINTERS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "add": ("path",),
        "remove": ("path",),
        "replace": ("path",),
        "move": ("from", "path"),
        "copy": ("path",),
        "test": (),
    }
)
"""Every operation, and which of its pointers it writes to; a move also removes `from`."""


def check_operations(tree: Json) -> Iterator[Finding]:
    """Find operations that are not valid or write to protected fields, and too many of them."""
    path = ("patch", "json")
    listed = list_at(tree, path)
    # Only the number is reported then: thousands of findings would hide it.
    if len(listed) > MOST:
        what = f"has {len(listed)} operations, and a plan may have {MOST}; split the plan"
        yield Finding(path, what, of_key=True)
        return
    for place, operation in operations(tree):
        if operation:
            yield from _form(operation, place)
            yield from _writes(operation, place)
    if listed and all(isinstance(one, dict) and one.get("op") == "test" for one in listed):
        yield Finding(
            path, "only tests, and changes nothing; add an operation that writes", of_key=True
        )


def operations(tree: Json) -> Iterator[tuple[TreePath, dict[str, Json]]]:
    """Yield each operation of the plan's JSON Patch, with its path in the plan."""
    for path in sections(tree, ("patch", "json")):
        yield path, mapping_at(tree, path)


def written(operation: Mapping[str, Json]) -> Iterator[tuple[str, Path]]:
    """Yield the fields that an operation writes, each with the key of its pointer."""
    name = operation.get("op")
    for key in WRITTEN_POINTERS.get(name, ()) if isinstance(name, str) else ():
        pointer = operation.get(key)
        if is_pointer(pointer):
            yield key, pointed(pointer)


def is_pointer(value: Json) -> TypeGuard[str]:
    """Report whether `value` points into a document; the empty pointer means the whole document.

    An operation on the whole document would replace the object, so it is not accepted.
    """
    return isinstance(value, str) and value.startswith("/")


def pointed(pointer: str) -> Path:
    """Return the keys of a JSON Pointer (RFC 6901)."""
    steps = pointer.split("/")[1:]
    # In this order: `~01` means `~1`.
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in steps)


def _form(operation: dict[str, Json], path: TreePath) -> Iterator[Finding]:
    name = operation.get("op")
    if not isinstance(name, str) or name not in WRITTEN_POINTERS:
        yield Finding((*path, "op"), f"must be one of {', '.join(WRITTEN_POINTERS)}")
    keys = ("path", "from") if name in _TWO_ENDED else ("path",)
    for key in keys:
        if not is_pointer(operation.get(key)):
            yield Finding((*path, key), "must be a JSON pointer such as /metadata/labels/team")
    if name in _WITH_VALUE and "value" not in operation:
        yield Finding((*path, "value"), f"is missing; {name} needs one")
    if name in _TWO_ENDED:
        yield from _onto_itself(operation, path)
    if name == "test":
        yield from _comparable(operation.get("value"), (*path, "value"))


def _comparable(value: Json, path: TreePath) -> Iterator[Finding]:
    """Find values that servers cannot compare, or that their versions compare differently."""
    # A real server breaks the connection then, and the target would stay in doubt.
    if has_null_entry(value):
        what = "contains a list with a null, which servers cannot test; test another field"
        yield Finding(path, what)
    if _SPELLED_TWO_WAYS.search(encode(value)):
        what = (
            "contains a backspace or form feed, which servers before Kubernetes 1.30 and later ones"
            " write differently; test another field"
        )
        yield Finding(path, what)


def _onto_itself(operation: dict[str, Json], path: TreePath) -> Iterator[Finding]:
    name, to, source = operation["op"], operation.get("path"), operation.get("from")
    if not (is_pointer(to) and is_pointer(source)):
        return
    if pointed(to) == pointed(source):
        does = "moves" if name == "move" else "copies"
        yield Finding(
            (*path, "path"), f"{does} a field onto itself, and changes nothing; remove it"
        )
    # RFC 6902, 4.4: "from" must not be a proper prefix of "path".
    elif name == "move" and to.startswith(f"{source}/"):
        yield Finding((*path, "path"), "moves a field into itself, which is impossible; remove it")


def _writes(operation: dict[str, Json], path: TreePath) -> Iterator[Finding]:
    for key, field in written(operation):
        place = (*path, key)
        if field in SHARED_MAPS:
            yield Finding(place, WHOLE_MAP)
        elif field[0] in TYPE_META:
            yield Finding(place, "is the object's kind, and cannot be patched; remove it")
        else:
            whats = (
                UNPATCHABLE[field[:length]] for length in (1, 2) if field[:length] in UNPATCHABLE
            )
            yield from (Finding(place, what) for what in whats)
