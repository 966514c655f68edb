"""The base of values with fields that are not printed: secrets, and trees of hundreds of values."""

from typing import Any, ClassVar

import msgspec


class PartialRepr(msgspec.Struct, frozen=True):
    """A Struct that is printed with the fields in `_printed` only.

    Tracebacks, pytest and rich print values, and a Struct would print all fields. A new field is
    not printed until it is listed.
    """

    _printed: ClassVar[tuple[str, ...]]

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({fields})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [(name, getattr(self, name)) for name in self._printed]
