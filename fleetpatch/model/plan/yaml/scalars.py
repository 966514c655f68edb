"""Plain scalars: their values in YAML 1.2, and texts that other readers of YAML read differently.

fleetpatch reads only the core schema of YAML 1.2 (section 10.3.2), so `no`, `on`, `2026-01-01`,
`1_000` and `12:30:45` are text. kubectl reads manifests with sigs.k8s.io/yaml, which keeps most of
YAML 1.1; PyYAML and others keep all of it. A field that is copied from a manifest has the value
that kubectl reads:

| text | YAML 1.2 | YAML 1.1 |
|---|---|---|
| `yes`, `off`, `y` | text | true, false, true |
| `0400` | 400 | octal, 256 |
| `0o400` | 256 | text; 256 to kubectl |
| `0x1F`, `0b1` | 31, text | 31, 1 |
| `1_000` | text | 1000 |
| `1:30` | text | 90, to base 60; text to kubectl |
| `2026-01-01` | text | a date; text to kubectl |

A number as JSON writes it is the same everywhere.
Sources: yaml.org/type (bool, int, float, timestamp), YAML 1.2.2 section 10.3, goyaml.v2 resolve.go.
"""

import math
import re
from typing import Final, TypeAlias

from fleetpatch.model.text import clean

ScalarValue: TypeAlias = str | int | float | bool | None

_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE: Final = frozenset({"true", "True", "TRUE"})
_FALSE: Final = frozenset({"false", "False", "FALSE"})
# At most 100 digits: Python refuses to convert thousands, and no field of a plan needs more.
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,100}")
_OCTAL: Final = re.compile(r"0o[0-7]{1,100}")
_HEX: Final = re.compile(r"0x[0-9a-fA-F]{1,100}")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")

_SHOWN: Final = 70
"""Characters of a text that are quoted."""

_TRUE_1_1: Final = frozenset({"y", "Y", "yes", "Yes", "YES", "on", "On", "ON"})
_FALSE_1_1: Final = frozenset({"n", "N", "no", "No", "NO", "off", "Off", "OFF"})
_WITH_BASE: Final = re.compile(r"[-+]?0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)")
_OCTAL_1_1: Final = re.compile(r"[-+]?0[0-7]+")
_LEADING_ZERO: Final = re.compile(r"[-+]?0[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?")
_BASE_60: Final = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_TIMESTAMP: Final = re.compile(
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
    r"(?:(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(?:\.[0-9]*)?"
    r"(?:[ \t]*(?:Z|[-+][0-9]{1,2}(?::?[0-9]{2})?))?)?"
)


def resolve(text: str) -> ScalarValue:
    """Return the value of a scalar without quotes and tag.

    Raises ValueError for infinities and NaN: JSON, and so Kubernetes, has neither.
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
        raise ValueError("this is not a valid JSON number; put it in quotes if it is text")
    return float(text) if _FLOAT.fullmatch(text) else text


def ambiguity(text: str) -> str | None:
    """Return how readers of YAML differ on plain `text`, and what to write; None if they agree."""
    if text in _TRUE_1_1 or text in _FALSE_1_1:
        value = "true" if text in _TRUE_1_1 else "false"
        return _advice(text, f"is {value} to kubectl and text in YAML 1.2", "write true or false")
    if _TIMESTAMP.fullmatch(text):
        return _advice(text, "is a date to some readers of YAML and text to others", "")
    if _BASE_60.fullmatch(text):
        return _advice(text, "is a number to base 60 in YAML 1.1 and text in YAML 1.2", "")
    if text.startswith("_"):
        # YAML 1.1 numbers may contain underscores, but not begin with one.
        return None
    digits = text.replace("_", "")
    if _OCTAL_1_1.fullmatch(digits) and len(digits) <= _SHOWN:
        what = f"is octal to kubectl ({int(digits, base=8)}) and decimal in YAML 1.2"
        return _advice(text, what, "write the decimal number that is meant")
    if _WITH_BASE.fullmatch(digits) or _LEADING_ZERO.fullmatch(digits):
        what = "is a number to some readers of YAML, and another one or text to others"
        return _advice(text, what, "write the decimal number")
    if digits != text and _FLOAT.fullmatch(digits):
        what = "is a number to kubectl and text in YAML 1.2"
        return _advice(text, what, f"write {clean(digits, _SHOWN)}")
    return None


def _advice(text: str, what: str, instead: str) -> str:
    shown = clean(text, _SHOWN)
    quoted = f'put it in quotes: "{shown}"'
    return f"{shown} {what}; {instead}, or {quoted}" if instead else f"{shown} {what}; {quoted}"
