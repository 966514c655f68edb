"""Fields of an object: a path to each, and a value or its absence.

A label that is absent and a label that is empty are two things, and undo must restore either;
hence `ABSENT`, which no JSON value can be mistaken for.
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
"""The field is not there."""

Value: TypeAlias = Json | Literal[_Absent.ABSENT]

Fields: TypeAlias = Mapping[Path, Value]
"""Some fields of one object."""


def label(key: str) -> Path:
    """The path of the label `key`."""
    return ("metadata", "labels", key)


def annotation(key: str) -> Path:
    """The path of the annotation `key`."""
    return ("metadata", "annotations", key)


def look_up(document: Json, path: Path) -> Value:
    """The value at `path`, or ABSENT where any step of it is missing."""
    for key in path:
        if not isinstance(document, Mapping) or key not in document:
            return ABSENT
        document = document[key]
    return document


def is_obstructed(document: Json, path: Path) -> bool:
    """Tell whether an ancestor of `path` is there and is no map: nothing can stand there then."""
    for key in path:
        if not isinstance(document, Mapping):
            return document is not None
        if key not in document:
            return False
        document = document[key]
    return False


def show(path: Path) -> str:
    """A path as people write it: `metadata.labels.team`; keys with dots are quoted."""
    return ".".join(f'"{key}"' if "." in key or "/" in key else key for key in path)
