"""Sets of fields, and their text: as `fieldsV1`, and in messages.

A field is a tuple of steps, each written as in `fieldsV1`: `f:name` for a field of a map, `k:{...}`
for an entry of a list with keys, `v:...` for an entry of a set. A set may contain a map without its
fields, and a field without the map around it. `fieldsV1` is a tree: a `.` below a node means that
the set contains the node as well as the fields below it. A leaf is always in the set.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeAlias

from fleetpatch.model.equality import stored_number
from fleetpatch.model.fields import Json

Field: TypeAlias = tuple[str, ...]
FieldSet: TypeAlias = frozenset[Field]

FIELD: Final = "f:"
KEY: Final = "k:"
VALUE: Final = "v:"
_ITSELF: Final = "."


def field_step(name: str) -> str:
    """The step to a field of a map."""
    return FIELD + name


def key_step(keys: Json) -> str:
    """The step to the entry of a list that is identified by `keys`."""
    # Sorted, so that equal keys have equal text and a step can be compared as text.
    return KEY + _compact({name: _as_stored(keys[name]) for name in sorted(keys)})


def value_step(value: Json) -> str:
    """The step to a scalar in a set."""
    return VALUE + _compact(_as_stored(value))


def decoded(tree: Json) -> FieldSet:
    """Decode a `fieldsV1`. Raises ValueError if it is not valid."""
    if not isinstance(tree, dict):
        raise ValueError("fieldsV1 is not a map")  # noqa: TRY004 -- documented
    return frozenset(_fields(tree, ()))


def encoded(fields: FieldSet) -> dict[str, Any]:
    """Encode a set as `fieldsV1`, sorted by steps."""
    tree: dict[str, Any] = {}
    for field in sorted(fields):
        place = tree
        for step in field:
            place = place.setdefault(step, {})
    # A `.` is needed only where there are fields below, which is known once the tree is complete.
    for field in fields:
        place = tree
        for step in field:
            place = place[step]
        if place:
            place[_ITSELF] = {}
    return tree


def shown(field: Field) -> str:
    """A field as the server's messages show it: `.spec.containers[name="main"].image`."""
    return "".join(map(_shown_step, field))


def _fields(tree: dict[str, Any], above: Field) -> Iterator[Field]:
    for step, below in tree.items():
        if step == _ITSELF:
            continue
        if not isinstance(below, dict):
            raise ValueError(f"fieldsV1: {step} is not a map")  # noqa: TRY004 -- documented
        field = (*above, step)
        # An inner node without `.` only leads to its fields.
        if not below or _ITSELF in below:
            yield field
        yield from _fields(below, field)


def _shown_step(step: str) -> str:
    kind, content = step[: len(FIELD)], step[len(FIELD) :]
    if kind == FIELD:
        return f".{content}"
    if kind == KEY:
        return f"[{_listed(json.loads(content).items())}]"
    return f"[={content}]"


def _listed(keys: Iterable[tuple[str, Any]]) -> str:
    return ",".join(f"{name}={_compact(value)}" for name, value in keys)


def _as_stored(value: Json) -> Json:
    """A scalar as a server stores it: `80.0` and `80` are the same key."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return stored_number(value) if is_number else value


def _compact(value: Json) -> str:
    # The server writes fieldsV1 without blanks; clients compare the text.
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
