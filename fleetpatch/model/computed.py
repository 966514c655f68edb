"""Values of a change that CEL expressions compute for each object: `{cel: TEXT}`.

An expression is a mapping whose only key is `cel` and whose value is text. Its place in a change is
a `Path`: in the object for labels and annotations, in the body for a patch body, where a position
in a list is a step of digits.
"""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from fleetpatch.model.fields import ABSENT, Fields, Json, Path, Value

KEY: Final = "cel"


class Expression(msgspec.Struct, frozen=True):
    """A value that is computed for each object; `text` is CEL."""

    text: str


def expression_of(value: Json) -> Expression | None:
    """Return the expression that a value of a plan is, or None."""
    if type(value) is dict and len(value) == 1 and isinstance(text := value.get(KEY), str):
        return Expression(text)
    return None


def expressions_in(value: Json) -> dict[Path, Expression]:
    """Return the expressions in a patch body, by their paths."""
    return dict(_found(value, ()))


def _found(value: Json, path: Path) -> Iterator[tuple[Path, Expression]]:
    if expression := expression_of(value):
        yield path, expression
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _found(item, (*path, key))
    elif isinstance(value, list | tuple):
        for position, item in enumerate(value):
            yield from _found(item, (*path, str(position)))


def replaced(value: Json, new: Callable[[Path], Value], path: Path = ()) -> Json:
    """Return a body with `new(path)` in place of each expression; ABSENT leaves its key out."""
    if expression_of(value):
        return new(path)
    if isinstance(value, dict):
        items = ((key, replaced(item, new, (*path, key))) for key, item in value.items())
        return {key: item for key, item in items if item is not ABSENT}
    if isinstance(value, list | tuple):
        entries = (replaced(item, new, (*path, str(at))) for at, item in enumerate(value))
        return [item for item in entries if item is not ABSENT]
    return value


def with_values(body: Json, values: Fields) -> Json:
    """Return a body with the values of its expressions; a value that is ABSENT is left out."""
    return replaced(body, values.__getitem__)
