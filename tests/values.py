"""Changed copies of values in tests, of dataclasses and of msgspec Structs alike."""

import dataclasses
from typing import Any, TypeVar, cast

import msgspec

T = TypeVar("T")


def replace(value: T, **changes: Any) -> T:
    """Return a copy of a dataclass or Struct with these fields changed."""
    if isinstance(value, msgspec.Struct):
        return cast(T, msgspec.structs.replace(value, **changes))
    return cast(T, dataclasses.replace(cast(Any, value), **changes))
