"""A change of one field, before -> after, for people and for programs."""

from collections.abc import Iterator

import msgspec

from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import ABSENT, Fields, Json, Path, Value, show
from fleetpatch.model.text import clean

VALUE_LIMIT = 80
"""Characters of a value that people are shown; an annotation may be a quarter of a megabyte."""


def change_lines(before: Fields, after: Fields) -> Iterator[str]:
    """`team: "ml" -> (absent)` for each field that changes, in the order of `before`."""
    for path, old in before.items():
        new = after.get(path, old)
        if not deep_equal(new, old):
            yield f"{_name(path)}: {_value(old)} -> {_value(new)}"


def as_object(fields: Fields) -> dict[str, Json]:
    """Fields as a JSON object keyed by dotted path; absent is null."""
    return {show(path): None if value is ABSENT else value for path, value in fields.items()}


def _name(path: Path) -> str:
    match path:
        case ("metadata", "labels", key):
            return clean(key)
        case ("metadata", "annotations", key):
            return f"annotation {clean(key)}"
        case _:
            return clean(show(path))


def _value(value: Value) -> str:
    return (
        "(absent)" if value is ABSENT else clean(msgspec.json.encode(value).decode(), VALUE_LIMIT)
    )
