"""The types of values in a plan file: each reads a value and writes it.

A reader raises ValueError (or SelectorError) with a sentence for people. `Reader` adds the place,
and goes on with the next value, so that all mistakes of a plan are found at once.

pydantic does the same, but importing it and building its models take a fourth of the instructions
of a command's start (docs/decisions/lean-start.md).
"""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, TypeAlias, TypeVar

import msgspec

from fleetpatch.model.fields import Json
from fleetpatch.model.plan.problems import Finding, TreePath
from fleetpatch.model.plan.value_words import (
    not_a_mapping,
    not_text,
    not_text_unquoted,
    type_name,
)
from fleetpatch.model.selectors.requirement import SelectorError

T = TypeVar("T")

Schema: TypeAlias = dict[str, Any]
"""A JSON Schema (draft 2020-12)."""

Source: TypeAlias = Callable[[TreePath], str | None]
"""Returns a scalar as it was written, or None."""

ProblemOf: TypeAlias = Callable[[Any], str | None]
"""Returns what is wrong with a value, or None."""

NO_VALUE: Final = "has no value; add one, or remove the key"
_NO_ENTRY: Final = "is empty; add an entry, or remove it"


class ValueType(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """The type of a value; `takes_null` if null is a value of it.

    `keywords` are what its JSON Schema has in addition (`fleetpatch.model.plan.json_schema`).
    """

    takes_null: bool = False
    keywords: Schema = {}

    def read(self, value: Any, path: TreePath, reader: "Reader") -> Any:
        """Return a value as Python has it. Raises ValueError if it is not valid as a whole.

        What is wrong within it is added to `reader`; then the result has no meaning.
        """
        raise NotImplementedError

    def write(self, value: Any) -> Json:
        """Return a value in the form in which all files with this meaning have it."""
        return value


class Reader:
    """Reads values, and collects what is wrong with them; `source` shows how they were written."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.findings: list[Finding] = []

    def read(
        self, value_type: ValueType, value: Any, path: TreePath, *, of_key: bool = False
    ) -> Any:
        """Return a value as Python has it; one that is not valid adds a finding instead."""
        if value is None and not value_type.takes_null:
            self.findings.append(Finding(path, NO_VALUE, of_key=of_key))
            return None
        try:
            return value_type.read(value, path, self)
        except SelectorError as error:
            # It knows its column, so the problem is placed within the selector.
            what = f"column {error.column} of the selector: {error.what}"
            self.findings.append(Finding(path, what, offset=error.offset))
        except ValueError as error:
            self.findings.append(Finding(path, str(error), of_key=of_key))
        return None


class Text(ValueType, frozen=True, eq=False):
    """Text; `is_quoted` unless it may be a secret, which no message may contain."""

    problem_of: ProblemOf | None = None
    is_quoted: bool = True

    def read(self, value: Any, path: TreePath, reader: Reader) -> str:
        """Return the text. Raises ValueError."""
        if not isinstance(value, str):
            raise ValueError(  # noqa: TRY004 - what readers raise
                not_text(value, reader.source(path)) if self.is_quoted else not_text_unquoted(value)
            )
        return _checked(value, self.problem_of)


class Parsed(ValueType, frozen=True, eq=False):
    """Text with a meaning: `parse` reads it, `render` writes it, `form` says how it looks."""

    parse: Callable[[str], Any]
    render: Callable[[Any], str]
    form: str
    problem_of: ProblemOf | None = None

    def read(self, value: Any, path: TreePath, reader: Reader) -> Any:  # noqa: ARG002
        """Return the meaning of the text. Raises ValueError."""
        if not isinstance(value, str):
            raise ValueError(f"must be {self.form}")  # noqa: TRY004
        return _checked(self.parse(value), self.problem_of)

    def write(self, value: Any) -> str:
        """Return the text of a meaning."""
        return self.render(value)


class Integer(ValueType, frozen=True, eq=False):
    """A whole number from `least` to `most`."""

    least: int | None = None
    most: int | None = None
    problem_of: ProblemOf | None = None

    def read(self, value: Any, path: TreePath, reader: Reader) -> int:  # noqa: ARG002
        """Return the number. Raises ValueError."""
        # A bool is an int in Python, but `true` is not a number.
        if not isinstance(value, int) or isinstance(value, bool):
            what = f"must be a whole number, not {type_name(value)}"
            raise ValueError(f"{what}; write it without quotes and unit")  # noqa: TRY004
        if self.least is not None and value < self.least:
            raise ValueError(f"must be at least {self.least}")
        if self.most is not None and value > self.most:
            raise ValueError(f"must be at most {self.most}")
        return _checked(value, self.problem_of)


class Boolean(ValueType, frozen=True, eq=False):
    """True or false."""

    def read(self, value: Any, path: TreePath, reader: Reader) -> bool:  # noqa: ARG002
        """Return the value. Raises ValueError."""
        if not isinstance(value, bool):
            raise ValueError(  # noqa: TRY004
                f"must be true or false, not {type_name(value)}"
            )
        return value


class OneOf(ValueType, frozen=True, eq=False):
    """One of several words; `meanings` has the value of each word in Python."""

    meanings: Mapping[str, Any]

    def read(self, value: Any, path: TreePath, reader: Reader) -> Any:  # noqa: ARG002
        """Return what the word means. Raises ValueError."""
        if isinstance(value, str) and value in self.meanings:
            return self.meanings[value]
        *others, last = map(repr, self.meanings)
        if not others:
            raise ValueError(f"must be {last}")
        close = get_close_matches(str(value), self.meanings, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise ValueError(f"must be {', '.join(others)} or {last}{hint}")

    def write(self, value: Any) -> Json:
        """Return the word for a meaning."""
        return next(word for word, meaning in self.meanings.items() if meaning == value)


class ListOf(ValueType, frozen=True, eq=False):
    """A list, as a tuple; `arrange` puts entries into an order if theirs has no meaning."""

    item: ValueType
    is_not_empty: bool = False
    arrange: Callable[[Sequence[Any]], Sequence[Any]] = tuple

    def read(self, value: Any, path: TreePath, reader: Reader) -> tuple[Any, ...]:
        """Return the entries. Raises ValueError."""
        if not isinstance(value, list | tuple):
            what = f"must be a list, not {type_name(value)}"
            raise ValueError(f"{what}; begin each entry with '- ', or use [...]")  # noqa: TRY004
        if self.is_not_empty and not value:
            raise ValueError(_NO_ENTRY)
        before = len(reader.findings)
        entries = tuple(reader.read(self.item, one, (*path, at)) for at, one in enumerate(value))
        return tuple(self.arrange(entries)) if len(reader.findings) == before else ()

    def write(self, value: Any) -> Json:
        """Return a list of what is written of the entries."""
        return [self.item.write(one) for one in value]


class MappingOf(ValueType, frozen=True, eq=False):
    """A mapping whose keys people choose."""

    key: ValueType
    item: ValueType
    is_not_empty: bool = False

    def read(self, value: Any, path: TreePath, reader: Reader) -> dict[str, Any]:
        """Return the mapping. Raises ValueError."""
        if not isinstance(value, dict):
            raise ValueError(not_a_mapping(value))  # noqa: TRY004
        if self.is_not_empty and not value:
            raise ValueError(_NO_ENTRY)
        for key in value:
            reader.read(self.key, key, (*path, key), of_key=True)
        return {key: reader.read(self.item, one, (*path, key)) for key, one in value.items()}

    def write(self, value: Any) -> Json:
        """Return the mapping with what is written of its values."""
        return {key: self.item.write(one) for key, one in value.items()}


class AnyMapping(ValueType, frozen=True, eq=False):
    """A mapping with any contents."""

    def read(self, value: Any, path: TreePath, reader: Reader) -> Mapping[str, Json]:  # noqa: ARG002
        """Return the mapping. Raises ValueError."""
        if not isinstance(value, dict):
            raise ValueError(not_a_mapping(value))  # noqa: TRY004
        return value


class Custom(ValueType, frozen=True, eq=False):
    """What no other type covers; `keywords` are all of its JSON Schema."""

    reader: Callable[[Any], Any]
    writer: Callable[[Any], Json]

    def read(self, value: Any, path: TreePath, reader: Reader) -> Any:  # noqa: ARG002
        """Return what the reader makes of the value. Raises ValueError."""
        return self.reader(value)

    def write(self, value: Any) -> Json:
        """Return what the writer makes of the value."""
        return self.writer(value)


def _checked(value: T, problem_of: ProblemOf | None) -> T:
    if problem_of and (problem := problem_of(value)):
        raise ValueError(problem)
    return value
