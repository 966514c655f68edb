"""Plain YAML text -> value, by the core schema of YAML 1.2 (section 10.3.2) and nothing else.

So `no`, `on`, `2026-01-01`, `1_000` and `12:30:45` are text, whatever older YAML made of them.
"""

import math
import re
from typing import Final, TypeAlias

ScalarValue: TypeAlias = str | int | float | bool | None

_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE: Final = frozenset({"true", "True", "TRUE"})
_FALSE: Final = frozenset({"false", "False", "FALSE"})
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,100}")
_OCTAL: Final = re.compile(r"0o[0-7]{1,100}")
_HEX: Final = re.compile(r"0x[0-9a-fA-F]{1,100}")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


def resolve(text: str) -> ScalarValue:
    """Give the value of an unquoted, untagged scalar.

    Raises ValueError for infinities and what is not a number: JSON, and so Kubernetes, has none.
    """
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text) or _HEX.fullmatch(text):
        return int(text, base=0)
    if _NOT_FINITE.fullmatch(text) or (_FLOAT.fullmatch(text) and math.isinf(float(text))):
        raise ValueError("this is no number that JSON knows; put it in quotes if it is text")
    return float(text) if _FLOAT.fullmatch(text) else text
