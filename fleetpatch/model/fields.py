"""Fields of an object: a path, a value or its absence, and how deep a value is nested.

An absent label and an empty label are different, and undo must restore both. So absence has a value
of its own, `ABSENT`, which is not a JSON value.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, Literal, TypeAlias

Json: TypeAlias = Any
"""A JSON value: None, bool, int, float, str, list or dict of them."""

Path: TypeAlias = tuple[str, ...]
"""Keys from the object's root: `("metadata", "labels", "team")`."""


class _Absent(Enum):
    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent.ABSENT
"""The value of a field that does not exist."""

Value: TypeAlias = Json | Literal[_Absent.ABSENT]

Fields: TypeAlias = Mapping[Path, Value]
"""Some fields of one object."""

# The rules walk documents recursively, and Python bounds recursion at about 1,000 frames. A real
# API server stores lists nested thousands of levels deep; objects of job systems have fewer than
# thirty. One limit for all rules makes the result independent of which rule reads a document.
MAX_DEPTH: Final = 200
"""Maps and lists within each other, the document itself included."""

TOO_DEEP: Final = f"the object is nested more than {MAX_DEPTH} levels deep"


def label(key: str) -> Path:
    """Return the path of the label `key`."""
    return ("metadata", "labels", key)


def annotation(key: str) -> Path:
    """Return the path of the annotation `key`."""
    return ("metadata", "annotations", key)


def look_up(document: Json, path: Path) -> Value:
    """Return the value at `path`, or ABSENT where a step of it is missing."""
    for key in path:
        # A dict is recognised by its type, which is much cheaper than an abstract class.
        if type(document) is not dict and not isinstance(document, Mapping):
            return ABSENT
        document = document.get(key, ABSENT)
    return document


def is_obstructed(document: Json, path: Path) -> bool:
    """Report whether an ancestor of `path` exists and is not a map: the path cannot be set then."""
    for key in path:
        if not isinstance(document, Mapping):
            # A server reads null as an absent map, and creates the map.
            return document is not None
        if key not in document:
            return False
        document = document[key]
    return False


def show(path: Path) -> str:
    """Render a path for people: `metadata.labels.team`; keys with dots or slashes are quoted."""
    return ".".join(f'"{key}"' if "." in key or "/" in key else key for key in path)


def show_value(value: Value) -> str:
    """Render a value for people: `absent`, or as Python writes it."""
    return "absent" if value is ABSENT else repr(value)


def is_deeper(value: Json, levels: int) -> bool:
    """Report whether maps and lists are nested in `value` more than `levels` deep."""
    # Level by level instead of recursively: this is the check that protects recursive code.
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(levels):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return bool(level)
