"""One term of a label selector: a key, an operator and values.

It matches as `k8s.io/apimachinery/pkg/labels` does: `!=` and `notin` match an object without the
key; `>` and `<` match only if both sides are base-10 int64.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

_INTEGER: Final = re.compile(r"[+-]?[0-9]+")
_INT64: Final = range(-(2**63), 2**63)


class Operator(StrEnum):
    """The operators of label selectors. `==` is parsed as `=`."""

    IN = "in"
    NOT_IN = "notin"
    EQUALS = "="
    NOT_EQUALS = "!="
    EXISTS = "exists"
    DOES_NOT_EXIST = "!"
    GREATER_THAN = ">"
    LESS_THAN = "<"


class SelectorError(ValueError):
    """The text is not a valid selector.

    `offset` counts characters from 0 in `text`; `what` says what is wrong there and what to write.
    """

    def __init__(self, text: str, offset: int, what: str) -> None:
        super().__init__(f"column {offset + 1} of {text!r}: {what}")
        self.text = text
        self.offset = offset
        self.what = what

    @property
    def column(self) -> int:
        """The column of the mistake, counted from 1."""
        return self.offset + 1


def int64(text: str) -> int | None:
    """Parse as Go's `strconv.ParseInt(text, 10, 64)` does; None if that refuses the text."""
    if not _INTEGER.fullmatch(text):
        return None
    digits = text.lstrip("+-").lstrip("0")
    if len(digits) > len(str(_INT64.stop)):
        # Too large, and Python's int() raises for thousands of digits.
        return None
    number = int(text)
    return number if number in _INT64 else None


class Requirement(msgspec.Struct, frozen=True):
    """A term such as `tier notin (gold,std)`.

    `values` are sorted and without duplicates: none for `exists` and `!`, exactly one for `=`,
    `!=`, `>` and `<`, at least one for `in` and `notin`. `Selector.parse` ensures this, and that
    keys and values are valid for labels.
    """

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Report whether an object with these labels meets the requirement."""
        value = labels.get(self.key)
        match self.operator:
            case Operator.EXISTS:
                return value is not None
            case Operator.DOES_NOT_EXIST:
                return value is None
            case Operator.IN | Operator.EQUALS:
                return value in self.values
            # None is not in the values, so an object without the key matches, as on the server.
            case Operator.NOT_IN | Operator.NOT_EQUALS:
                return value not in self.values
            case Operator.GREATER_THAN | Operator.LESS_THAN:
                return value is not None and self._compares(value)

    def _compares(self, value: str) -> bool:
        theirs, ours = int64(value), int64(self.values[0])
        if theirs is None or ours is None:
            return False
        return theirs > ours if self.operator is Operator.GREATER_THAN else theirs < ours

    def __str__(self) -> str:
        match self.operator:
            case Operator.EXISTS:
                return self.key
            case Operator.DOES_NOT_EXIST:
                return f"!{self.key}"
            case Operator.IN | Operator.NOT_IN:
                return f"{self.key} {self.operator} ({','.join(self.values)})"
            case _:
                return f"{self.key}{self.operator}{self.values[0]}"
