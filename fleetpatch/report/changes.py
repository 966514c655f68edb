"""The changes of an object's fields: `label team: "ml" -> (absent)`."""

from collections.abc import Iterator

import msgspec

from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import ABSENT, Fields, Json, Path, Value, show
from fleetpatch.model.text import clean

VALUE_LIMIT = 80
"""Characters of a value that are shown; an annotation may have 256 KiB."""


def changes(before: Fields, after: Fields) -> Iterator[tuple[str, str, str]]:
    """Yield the name of each field that changes, its old and its new value; "" is absent.

    In the order of `before`, which has all fields; `after` may omit fields that do not change.
    """
    for path, old in before.items():
        new = after.get(path, old)
        if not deep_equal(new, old):
            yield _name(path), _value(old), _value(new)


def change_lines(before: Fields, after: Fields) -> Iterator[str]:
    """Yield `label team: "ml" -> (absent)` for each field that changes, as `changes` does."""
    for name, old, new in changes(before, after):
        yield f"{name}: {old or _ABSENT} -> {new or _ABSENT}"


def as_object(fields: Fields) -> dict[str, Json]:
    """Return fields as a JSON object keyed by dotted path; absent is null."""
    return {show(path): None if value is ABSENT else value for path, value in fields.items()}


_ABSENT = "(absent)"


def _name(path: Path) -> str:
    match path:
        case ("metadata", "labels", key):
            return f"label {clean(key)}"
        case ("metadata", "annotations", key):
            return f"annotation {clean(key)}"
        case _:
            return clean(show(path))


def _value(value: Value) -> str:
    return "" if value is ABSENT else clean(msgspec.json.encode(value).decode(), VALUE_LIMIT)
