"""Protocol Buffers as bytes: the few parts of the wire format that a checked expression needs.

The runtime exchanges expressions as messages of this format, and the package with their classes is
not a dependency. Source: protobuf.dev, "Encoding".
"""

from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
FIXED32: Final = 5

_SIZES: Final = {FIXED64: 8, FIXED32: 4}

Field: TypeAlias = tuple[int, int, int | bytes]
"""The number of a field, its wire type and its value."""


def decode(message: bytes) -> list[Field]:
    """Return the fields of a message. Raises ValueError or IndexError for other bytes."""
    fields: list[Field] = []
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, wire = tag >> 3, tag & 7
        value: int | bytes
        if wire == VARINT:
            value, at = _varint(message, at)
        else:
            if wire == BYTES:
                size, at = _varint(message, at)
            elif wire in _SIZES:
                size = _SIZES[wire]
            else:
                raise ValueError(f"wire type {wire}")
            value, at = message[at : at + size], at + size
        fields.append((number, wire, value))
    return fields


def encode(fields: Iterable[Field]) -> bytes:
    """Return the message of these fields."""
    parts = bytearray()
    for number, wire, value in fields:
        _append_varint(parts, number << 3 | wire)
        if isinstance(value, int):
            _append_varint(parts, value)
        else:
            if wire == BYTES:
                _append_varint(parts, len(value))
            parts += value
    return bytes(parts)


def text(number: int, value: str) -> Field:
    """Return a field of text."""
    return number, BYTES, value.encode()


def flag(number: int, *, value: bool) -> Iterable[Field]:
    """Return a field that is true, or nothing: false is the default."""
    return [(number, VARINT, 1)] if value else []


def varints(packed: bytes) -> Iterator[int]:
    """Yield the numbers of a packed field."""
    at = 0
    while at < len(packed):
        value, at = _varint(packed, at)
        yield value


def _varint(message: bytes, at: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = message[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the bit that says that more bytes follow
            return result, at
        shift += 7


def _append_varint(parts: bytearray, value: int) -> None:
    while value > 0x7F:  # noqa: PLR2004 - seven bits fit a byte
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
