r"""Decode JSON as an API server does, which uses Go's `encoding/json`.

Half a surrogate pair (`"\ud800"`) and bytes that are not UTF-8 become U+FFFD. A number that is too
large for a float is an error. All other numbers are accepted, and stored as `stored` returns them.
"""

import re
import sys
from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec

from fleetpatch.model.encoding import encode, with_whole_characters
from fleetpatch.model.equality import stored_number
from fleetpatch.model.fields import Json

_T = TypeVar("_T")

_MANY_DIGITS: Final = re.compile(rb"[0-9]{309}")
"""The number of digits from which on an integer may be too large for a float."""

_JSON_ONLY_ESCAPE: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\(/|u[dD][89a-fA-F]..)")
"""Escapes that JSON has and YAML does not: of a slash, and of half a surrogate pair."""


def decoded(body: bytes, of_type: type[_T] | Any = Any) -> Any:
    """Decode JSON as `of_type`.

    Raises msgspec.DecodeError; its subclass ValidationError for a number that is too large.
    """
    # msgspec refuses what Go replaces. Bodies like that are rare, so they are decoded twice.
    try:
        value = msgspec.json.decode(body, type=of_type)
    except (msgspec.DecodeError, UnicodeDecodeError):
        value = msgspec.json.decode(with_whole_characters(body), type=of_type)
    # msgspec decodes large integers exactly, so the check is ours. The search is much faster than
    # the walk, and hardly any body has so many digits.
    if _MANY_DIGITS.search(body) and of_type is Any:
        _with_scalars(value, _checked_scalar)
    return value


def stored(value: Json) -> Json:
    """`value` with its numbers as a server stores them; the same object if nothing changes."""
    return _with_scalars(value, _stored_scalar)


def spelled(text: msgspec.Raw) -> Json:
    """Decode a value, but keep the text of scalars that a server would write differently.

    Such a scalar is a msgspec.Raw. Two of them are equal if their texts are, which is how a `test`
    of a JSON Patch compares values.
    """
    written = bytes(text)
    if written.startswith(b"{"):
        entries: dict[str, msgspec.Raw] = decoded(written, dict[str, msgspec.Raw])
        return {key: spelled(each) for key, each in entries.items()}
    if written.startswith(b"["):
        return [spelled(each) for each in decoded(written, list[msgspec.Raw])]
    # A number that is too large for a float stays text: a JSON Patch may add and remove it.
    try:
        value = decoded(written)
    except msgspec.DecodeError:
        return text
    return value if encode(value) == written else text


def copied(value: Json) -> Json:
    """A copy of a value from `spelled`: a server encodes what it copies once more."""
    return spelled(msgspec.Raw(encode(value)))


def unspelled(value: Json) -> Json:
    """Decode the scalars that `spelled` kept as text. Raises msgspec.DecodeError."""
    return _with_scalars(value, _unspelled_scalar)


def decoded_as_yaml(body: bytes) -> Json:
    """Decode JSON as a YAML reader does: a number that is too large for a float is text.

    This is much faster than a YAML parser. Raises msgspec.DecodeError and UnicodeDecodeError for
    what is not JSON, and ValueError for escapes that YAML does not have.
    """
    try:
        value = msgspec.json.decode(body)
        holds_large_numbers = bool(_MANY_DIGITS.search(body))
    except msgspec.ValidationError:
        holds_large_numbers = True
    if holds_large_numbers:
        value = _with_scalars(spelled(msgspec.Raw(body)), _yaml_scalar)
    if escape := _JSON_ONLY_ESCAPE.search(body):
        raise ValueError(f"found unknown escape character {escape[1].decode()}")
    return stored(value)


def _yaml_scalar(value: Json) -> Json:
    try:
        return _unspelled_scalar(value)
    except msgspec.DecodeError:
        return bytes(value).decode()


def _checked_scalar(value: Json) -> Json:
    if isinstance(value, int) and abs(value) > sys.float_info.max:
        raise msgspec.ValidationError("Number out of range")
    return value


def _stored_scalar(value: Json) -> Json:
    return stored_number(value) if type(value) in (int, float) else value


def _unspelled_scalar(value: Json) -> Json:
    return decoded(bytes(value)) if isinstance(value, msgspec.Raw) else value


def _with_scalars(value: Json, change: Callable[[Json], Json]) -> Json:
    """Return `value` with `change` applied to its scalars; unchanged parts are shared."""
    if isinstance(value, dict):
        entries = {key: _with_scalars(each, change) for key, each in value.items()}
        return value if all(entries[key] is value[key] for key in value) else entries
    if isinstance(value, list):
        items = [_with_scalars(each, change) for each in value]
        pairs = zip(items, value, strict=True)
        return value if all(item is each for item, each in pairs) else items
    return change(value)
