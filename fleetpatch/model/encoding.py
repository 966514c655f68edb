r"""JSON as Go's `encoding/json` writes and reads it, since API servers use that.

Writing: a `test` of a JSON Patch compares texts, not values: `"a && b"` in a body does not equal
the stored `"a \u0026\u0026 b"`, and `1.0` does not equal the stored `1`. So every body is written
as a server would write the stored value: `&`, `<`, `>`, U+2028 and U+2029 are escaped, and nothing
else that need not be; a number without a fraction is an integer; a float has the fewest digits that
identify it; an exponent is used from 1e21 and below 1e-6. kubectl writes its bodies the same way.

One difference remains: servers before Kubernetes 1.30 (built with Go before 1.22) write the
characters U+0008 and U+000C as `\u0008` and `\u000c`, later ones as `\b` and `\f`, as this module.

Reading: Go decodes half of a surrogate pair (`"\ud800"`) and bytes that are not UTF-8 to U+FFFD.
"""

import re
from decimal import Decimal
from typing import Final

import msgspec

from fleetpatch.model.equality import EXPONENT_FROM, stored_number
from fleetpatch.model.fields import Json

_ESCAPED: Final = re.compile(b"[&<>]|\xe2\x80[\xa8\xa9]")
"""`&`, `<`, `>`, U+2028 and U+2029, which a JSON text can contain only within strings."""
_FRACTION_FROM: Final = 1e-6
"""Smaller numbers are written with an exponent."""

_encode: Final = msgspec.json.Encoder().encode


def encode(value: Json) -> bytes:
    """Write `value` as one line; its numbers must be finite."""
    # Most bodies contain no number that msgspec writes differently, and need no copy.
    text = _encode(_with_numbers(value) if _holds_other_numbers(value) else value)
    return _ESCAPED.sub(_escape, text)


def _escape(found: re.Match[bytes]) -> bytes:
    return rf"\u{ord(found[0].decode()):04x}".encode()


def _holds_other_numbers(value: Json) -> bool:
    """Report whether `value` contains a number that msgspec writes differently from a server."""
    pending = [value]
    while pending:
        one = pending.pop()
        kind = type(one)
        if kind is dict:
            pending.extend(one.values())
        elif kind is list:
            pending.extend(one)
        elif kind is float or (kind is int and stored_number(one) is not one):
            return True
    return False


def _with_numbers(value: Json) -> Json:
    match value:
        case dict():
            return {key: _with_numbers(each) for key, each in value.items()}
        case list():
            return [_with_numbers(each) for each in value]
        case bool():
            return value
        case int() | float():
            number = stored_number(value)
            return number if isinstance(number, int) else msgspec.Raw(_float(number))
        case _:
            return value


def _float(number: float) -> bytes:
    """Write a number with a fraction or an exponent in its shortest form."""
    if _FRACTION_FROM <= abs(number) < EXPONENT_FROM:
        return f"{Decimal(repr(number)):f}".encode()
    digits, _, exponent = repr(number).partition("e")
    return f"{digits}e{int(exponent):+d}".encode()


_MAY_BE_HALF_PAIR: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_ESCAPE: Final = re.compile(
    rb"(?P<pair>\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|\\.",
    re.DOTALL,
)


def with_whole_characters(body: bytes) -> bytes:
    """Replace half surrogate pairs and bytes that are not UTF-8 by U+FFFD, as Go's decoder does."""
    try:
        body.decode()
    except UnicodeDecodeError:
        body = body.decode(errors="replace").encode()
    return _ESCAPE.sub(_whole_pairs, body) if _MAY_BE_HALF_PAIR.search(body) else body


def _whole_pairs(escape: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if escape["half"] else escape[0]
