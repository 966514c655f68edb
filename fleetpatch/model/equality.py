"""Equality of JSON values, as an API server has it.

Python's `==` is not it: `True == 1` and `False == 0` there. To a server a boolean is not a number.
`1.0` and `1` are one number, and so are `-0.0` and `0`: a server writes both alike. An integer
beyond 64 bits is a float to it, so that two of them may be one number.
"""

import sys
from collections.abc import Iterable
from typing import Final

from fleetpatch.model.fields import Fields, Json, Value

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
        kind = type(one)
        if kind is not type(other):
            if not _is_number(one) or not _is_number(other) or _stored(one) != _stored(other):
                return False
        elif kind is dict:
            if len(one) != len(other) or not one.keys() <= other.keys():
                return False
            pending.extend((value, other[key]) for key, value in one.items())
        elif kind is list:
            if len(one) != len(other):
                return False
            pending.extend(zip(one, other, strict=True))
        elif one != other and not (kind is int and _stored(one) == _stored(other)):
            return False
    return True


def is_among(value: Value, values: Iterable[Value]) -> bool:
    """Tell whether one of `values` is the same to a server."""
    return any(deep_equal(value, each) for each in values)


def _is_number(value: Json) -> bool:
    return type(value) is int or type(value) is float


def _stored(number: float) -> float:
    """The number as a server keeps it; one that no float holds cannot be stored at all."""
    is_kept = -_BEYOND_INT64 <= number < _BEYOND_INT64 or abs(number) > sys.float_info.max
    return number if is_kept else float(number)
