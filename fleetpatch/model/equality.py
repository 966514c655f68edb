"""Equality of JSON values as an API server defines it.

In Python `True == 1`; to a server a boolean is not a number. `1.0` equals `1`, and `-0.0` equals
`0`, because a server writes both the same way. It stores an integer beyond 64 bits as a float, so
two different ones may become equal.

Nulls in lists are found here, too: versions of servers merge them differently, and no server can
compare them in a `test` of a JSON Patch.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Final

from fleetpatch.model.fields import Fields, Json, Path, Value

EXPONENT_FROM: Final = 1e21
"""A server writes numbers from this magnitude on with an exponent (Go, encoding/json)."""

_BEYOND_INT64: Final = 2**63


def deep_equal(first: Value | Fields, second: Value | Fields) -> bool:
    """Report whether two values, or two `Fields`, are equal to a server; ABSENT equals itself.

    Not recursive, because values may be nested deeper than Python's stack allows.
    """
    # Nearly all values are labels and annotations: they need no list of pending pairs.
    if type(first) is str:
        return type(second) is str and first == second
    pending: list[tuple[Json, Json]] = [(first, second)]
    while pending:
        one, other = pending.pop()
        # Documents share what a patch did not touch, so this skips most of them.
        if one is other:
            continue
        kind = _kind(one)
        if kind is not _kind(other):
            return False
        if kind is dict:
            if one.keys() != other.keys():
                return False
            pending += [(value, other[key]) for key, value in one.items()]
        elif kind is list:
            if len(one) != len(other):
                return False
            pending.extend(zip(one, other, strict=True))
        elif not (_is_same_number(one, other) if kind is float else one == other):
            return False
    return True


def is_among(value: Value, values: Iterable[Value]) -> bool:
    """Report whether one of `values` equals `value` to a server."""
    return any(deep_equal(value, each) for each in values)


def stored_number(number: float) -> float:
    """Return the number that a server reads back after it has written this one.

    It is an integer if the written text has no fraction and no exponent: unchanged up to 64 bits;
    beyond them, and for a float, with the digits that distinguish the float from its neighbours. A
    number that no server can store is returned unchanged.
    """
    if isinstance(number, int):
        if -_BEYOND_INT64 <= number < _BEYOND_INT64 or abs(number) > sys.float_info.max:
            return number
        number = float(number)
    is_written_whole = number.is_integer() and abs(number) < EXPONENT_FROM
    # A server writes the shortest digits that identify the float, as `repr` does. `int(number)` has
    # the exact digits of the binary number, which are others beyond 2**53.
    return int(Decimal(repr(number))) if is_written_whole else number


def _kind(value: Value | Fields) -> type:
    """Return the type of a value; all numbers have one type."""
    kind = type(value)
    return float if kind is int else kind


def _is_same_number(one: float, other: float) -> bool:
    return stored_number(one) == stored_number(other)


def null_entries(value: Json, path: Path = ()) -> Iterator[Path]:
    """Yield the paths of the lists in `value` that contain a null, directly or further down.

    A path consists of keys only, so a list within a list is reported as the outer one.
    """
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from null_entries(inner, (*path, key))
    elif isinstance(value, list) and has_null_entry(value):
        yield path


def has_null_entry(value: Json) -> bool:
    """Report whether `value` is or contains a list with a null in it."""
    if isinstance(value, Mapping):
        return any(map(has_null_entry, value.values()))
    return isinstance(value, list) and (None in value or any(map(has_null_entry, value)))
