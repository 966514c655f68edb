"""The functions that Kubernetes adds to CEL, for lists, texts and quantities.

A quantity is a map of one number in canonical form, so that equal quantities are equal maps, as in
Kubernetes. Its key is not a string, so a map of an object is never taken for a quantity, and a
quantity is never stored in an object. Source: kubernetes.io, "Common Expression Language in
Kubernetes", and k8s.io/apiserver/pkg/cel/library.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation, localcontext
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final

from fleetpatch.cel.runtime import BOOL, DYN, STRING, Overload

_KEY: Final = True
_QUANTITY: Final = re.compile(
    r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))"
    r"([eE][+-]?[0-9]{1,4}|Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE])?"
)
_BINARY: Final = ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL: Final = MappingProxyType(
    {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
)
_INT64: Final = 2**63

MISSING: Final[Mapping[str, str]] = MappingProxyType(
    {
        "authorizer": "an expression here cannot ask for the rights of a user",
        "request": "there is no admission request; see object",
        "oldObject": "there is no older object; see object",
        "params": "there are no params; see tables",
        "named": "compare with a regular expression: text.matches(...)",
        "url": "use split or find on the text",
        "isURL": "use matches on the text",
        "ip": "compare the text, or use matches",
        "isIP": "use matches on the text",
        "cidr": "compare the text, or use matches",
        "isCIDR": "use matches on the text",
        "semver": "compare the parts of text.split('.')",
        "isSemver": "use matches on the text",
        "jsonpatch": "use the patch types merge, strategic or apply",
        "contains": "sets.contains is not available; use list.all(x, x in other)",
        "equivalent": "sets.equivalent is not available; use list.all(x, x in other) both ways",
        "intersects": "sets.intersects is not available; use list.exists(x, x in other)",
        "distinct": "it is not available",
        "flatten": "it is not available",
        "slice": "it is not available",
        "sort": "it is not available",
        "transformList": "use map(x, ...)",
        "transformMap": "it is not available",
    }
)
"""Names that Kubernetes knows and that are missing here, with what to do instead."""


def _sum(values: list[Any]) -> Any:
    found = sum(values)
    if isinstance(found, int) and not -_INT64 <= found < _INT64:
        raise ValueError("integer overflow")
    return found


def _least(values: list[Any]) -> Any:
    if not values:
        raise ValueError("min called on empty list")
    return min(values)


def _greatest(values: list[Any]) -> Any:
    if not values:
        raise ValueError("max called on empty list")
    return max(values)


def _is_sorted(values: list[Any]) -> bool:
    return all(one <= other for one, other in pairwise(values))


def _index(values: list[Any], value: Any) -> int:
    return next((at for at, one in enumerate(values) if _same(one, value)), -1)


def _last_index(values: list[Any], value: Any) -> int:
    found = (at for at in reversed(range(len(values))) if _same(values[at], value))
    return next(found, -1)


def _same(one: Any, other: Any) -> bool:
    # True is 1 in Python, but not in CEL.
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)


def _find(value: str, pattern: str) -> str:
    found = _pattern(pattern).search(value)
    return found[0] if found else ""


def _find_all(value: str, pattern: str, limit: int = -1) -> list[str]:
    found = [one[0] for one in _pattern(pattern).finditer(value)]
    return found if limit < 0 else found[:limit]


def _pattern(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a valid regular expression: {error}") from None


def is_quantity(value: Any) -> bool:
    """Report whether a value is a quantity."""
    # 1 is equal to True, but a map of an expression may have it as its key.
    return type(value) is dict and len(value) == 1 and next(iter(value)) is _KEY


def _number(value: Any) -> Decimal:
    text = value[_KEY] if is_quantity(value) else value
    if isinstance(value, bool) or not isinstance(text, str | int | float):
        raise TypeError(f"{text!r} is not a quantity")
    return Decimal(str(text))


def _parse(text: str) -> Decimal:
    found = _QUANTITY.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is not a quantity")
    number, suffix = Decimal(found[1]), found[2] or ""
    if suffix in _BINARY:
        return number * Decimal(1024 ** (_BINARY.index(suffix) + 1))
    exponent = _DECIMAL[suffix] if suffix in _DECIMAL else int(suffix[1:] or 0)
    return number.scaleb(exponent)


def _quantity(number: Decimal) -> dict[bool, str]:
    return {_KEY: format(number.normalize(), "f")}


def _of_text(text: str) -> dict[bool, str]:
    return _quantity(_parse(text))


def _is_valid(text: str) -> bool:
    try:
        _parse(text)
    except (ValueError, InvalidOperation):
        return False
    return True


def _exact(calculate: Callable[..., Any]) -> Callable[..., Any]:
    """Calculate with more digits than any quantity has."""

    def function(*args: Any) -> Any:
        with localcontext() as context:
            context.prec = 60
            return calculate(*args)

    return function


def _as_integer(value: Any) -> int:
    number = _number(value)
    if number != number.to_integral_value() or not -_INT64 <= number < _INT64:
        raise ValueError(f"{number} is not an integer of 64 bits")
    return int(number)


def _is_integer(value: Any) -> bool:
    number = _number(value)
    return number == number.to_integral_value() and -_INT64 <= number < _INT64


def _member(
    name: str, parameters: tuple[str, ...], result: str, function: Callable[..., Any], id_: str = ""
) -> Overload:
    return Overload(name, f"fleetpatch_{id_ or name}", parameters, result, function, is_member=True)


def _compare(one: Any, other: Any) -> int:
    return (_number(one) > _number(other)) - (_number(one) < _number(other))


LIBRARY: Final = (
    _member("sum", ("list",), DYN, _sum),
    _member("min", ("list",), DYN, _least),
    _member("max", ("list",), DYN, _greatest),
    _member("isSorted", ("list",), BOOL, _is_sorted),
    _member("indexOf", ("list", DYN), "INT", _index, "list_index_of"),
    _member("lastIndexOf", ("list", DYN), "INT", _last_index, "list_last_index_of"),
    _member("find", (STRING, STRING), STRING, _find),
    _member("findAll", (STRING, STRING), "list", _find_all),
    _member("findAll", (STRING, STRING, "INT"), "list", _find_all, "find_some"),
    Overload("quantity", "fleetpatch_quantity", (STRING,), DYN, _exact(_of_text)),
    Overload("isQuantity", "fleetpatch_is_quantity", (STRING,), BOOL, _exact(_is_valid)),
    _member("sign", (DYN,), "INT", lambda one: _compare(one, 0)),
    _member("compareTo", (DYN, DYN), "INT", _compare),
    _member("isGreaterThan", (DYN, DYN), BOOL, lambda one, other: _compare(one, other) > 0),
    _member("isLessThan", (DYN, DYN), BOOL, lambda one, other: _compare(one, other) < 0),
    _member("isInteger", (DYN,), BOOL, _is_integer),
    _member("asInteger", (DYN,), "INT", _as_integer),
    _member("asApproximateFloat", (DYN,), "DOUBLE", lambda one: float(_number(one))),
    _member(
        "add", (DYN, DYN), DYN, _exact(lambda one, other: _quantity(_number(one) + _number(other)))
    ),
    _member(
        "sub", (DYN, DYN), DYN, _exact(lambda one, other: _quantity(_number(one) - _number(other)))
    ),
)
"""All functions, as the runtime takes them."""
