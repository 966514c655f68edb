"""Fields that are not a plan's to change, and maps that it shares with others.

Where the operations of a JSON Patch (RFC 6902) point, and which of them write there.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, TypeGuard

from fleetpatch.model.fields import Json, Path
from fleetpatch.model.plan.problems import TreePath
from fleetpatch.model.plan.tree import mapping_at, sections

_IDENTITY: Final = "says which object it is, and cannot be patched; remove it"
_SERVER: Final = "is kept by the server, and cannot be patched; remove it"

OWNED: Final[Mapping[Path, str]] = MappingProxyType(
    {
        ("status",): "belongs to the kind's controller; remove it",
        ("metadata", "name"): _IDENTITY,
        ("metadata", "namespace"): _IDENTITY,
        ("metadata", "uid"): _IDENTITY,
        ("metadata", "resourceVersion"): _IDENTITY,
        ("metadata", "creationTimestamp"): _SERVER,
        ("metadata", "deletionGracePeriodSeconds"): _SERVER,
        ("metadata", "deletionTimestamp"): _SERVER,
        ("metadata", "generation"): _SERVER,
        ("metadata", "managedFields"): _SERVER,
        ("metadata", "selfLink"): _SERVER,
    }
)
"""What nobody may patch, and what is to be said of it."""

HEAD: Final = ("apiVersion", "kind")
"""What a document may say of the kind that it is for; no operation may change it."""

SHARED: Final[tuple[Path, ...]] = (
    ("metadata",),
    ("metadata", "labels"),
    ("metadata", "annotations"),
)
"""The maps in which each key has an owner of its own: none is replaced or removed as a whole."""

AS_A_WHOLE: Final = (
    "would take all labels or annotations along, also those of other people and of controllers;"
    " name the keys that are meant, one by one"
)

WRITTEN: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "add": ("path",),
        "remove": ("path",),
        "replace": ("path",),
        "move": ("from", "path"),
        "copy": ("path",),
        "test": (),
    }
)
"""Every operation, and those of its pointers at which it writes; a move removes, too."""


def operations(tree: Json) -> Iterator[tuple[TreePath, dict[str, Json]]]:
    """Give each operation of the plan's JSON Patch, with its path in the plan."""
    for path in sections(tree, ("patch", "json")):
        yield path, mapping_at(tree, path)


def written(operation: Mapping[str, Json]) -> Iterator[tuple[str, Path]]:
    """Give the fields that an operation writes, each with the key whose pointer leads there."""
    name = operation.get("op")
    for key in WRITTEN.get(name, ()) if isinstance(name, str) else ():
        pointer = operation.get(key)
        if is_pointer(pointer):
            yield key, pointed(pointer)


def is_pointer(value: Json) -> TypeGuard[str]:
    """Say whether `value` points into a document; the empty pointer, to all of it, does not."""
    return isinstance(value, str) and value.startswith("/")


def pointed(pointer: str) -> Path:
    """Give the steps of a JSON Pointer."""
    steps = pointer.split("/")[1:]
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in steps)
