"""Equality of JSON values, as an API server has it.

Python's `==` takes `True` for 1 and `False` for 0. To a server a boolean is not a number. `1.0` and
`1` are one number, and so are `-0.0` and `0`: a server writes both alike. It keeps an integer
beyond 64 bits as a float, so that two of them may be one number.

Nulls in lists: servers of two versions merge them differently, and none can test them.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Final

from fleetpatch.model.fields import Fields, Json, Path, Value

EXPONENT_FROM: Final = 1e21
"""From here on a server writes numbers with an exponent."""

_BEYOND_INT64: Final = 2**63


def deep_equal(first: Value | Fields, second: Value | Fields) -> bool:
    """Tell whether two values, or two `Fields`, are the same to a server; ABSENT equals itself.

    Not recursive: values may be nested deeper than Python's stack.
    """
    pending: list[tuple[Json, Json]] = [(first, second)]
    while pending:
        one, other = pending.pop()
        if one is other:
            continue
        kind = _kind(one)
        if kind is not _kind(other):
            return False
        if kind is dict:
            if one.keys() != other.keys():
                return False
            pending.extend((value, other[key]) for key, value in one.items())
        elif kind is list:
            if len(one) != len(other):
                return False
            pending.extend(zip(one, other, strict=True))
        elif not (_is_same_number(one, other) if kind is float else one == other):
            return False
    return True


def is_among(value: Value, values: Iterable[Value]) -> bool:
    """Tell whether one of `values` is the same to a server."""
    return any(deep_equal(value, each) for each in values)


def stored_number(number: float) -> float:
    """The number that a server reads where it has written this one.

    That is an integer where there is no fraction and no exponent in the text: up to 64 bits as it
    is, beyond them, and where a float was given, with the digits that tell the float from its
    neighbours. A number that no server can store is given back.
    """
    if isinstance(number, int):
        if -_BEYOND_INT64 <= number < _BEYOND_INT64 or abs(number) > sys.float_info.max:
            return number
        number = float(number)
    is_written_whole = number.is_integer() and abs(number) < EXPONENT_FROM
    return int(Decimal(repr(number))) if is_written_whole else number


def _kind(value: Value | Fields) -> type:
    """The type of a value; there is one of numbers."""
    kind = type(value)
    return float if kind is int else kind


def _is_same_number(one: float, other: float) -> bool:
    return stored_number(one) == stored_number(other)


def null_entries(value: Json, path: Path = ()) -> Iterator[Path]:
    """The lists in `value` that hold a null, directly or further down.

    They are named by the keys that lead there; a list within a list is not named by itself.
    """
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from null_entries(inner, (*path, key))
    elif isinstance(value, list) and has_null_entry(value):
        yield path


def has_null_entry(value: Json) -> bool:
    """Tell whether `value` is or holds a list with a null in it."""
    if isinstance(value, Mapping):
        return any(map(has_null_entry, value.values()))
    return isinstance(value, list) and (None in value or any(map(has_null_entry, value)))
