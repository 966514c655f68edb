"""Evaluates the expressions of one plan for one object after the other.

`where` and the values of a patch are one expression for the runtime, since each evaluation converts
the object. Only if that fails are they evaluated one by one, to find out which one fails and why.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final

import msgspec

from fleetpatch.cel import syntax
from fleetpatch.cel.expressions import NAMES, Expression, Language
from fleetpatch.cel.kubernetes import LIBRARY, is_quantity
from fleetpatch.cel.order import ORDER
from fleetpatch.cel.reads import Tree, merged, projected, reads_of
from fleetpatch.cel.runtime import (
    BOOL,
    DYN,
    STRING,
    Environment,
    EvaluationError,
    Overload,
    Program,
)
from fleetpatch.cel.syntax import CONDITIONAL, Call, ListLiteral, Node
from fleetpatch.cel.tables import HAS_ROW, ROW, tables_in
from fleetpatch.cel.words import what_failed

_TRIED: Final = 500
"""Results that are remembered before it is known whether that is useful."""
_REMEMBERED: Final = 4096

_TYPES: Final = {
    datetime: "a timestamp",
    timedelta: "a duration",
    bytes: "bytes",
    bytearray: "bytes",
}


class Texts(msgspec.Struct, frozen=True):
    """The expressions of a plan as text: its variables, each block's `where`, and the values.

    `places` names each value in messages.
    """

    variables: Mapping[str, str]
    where: Mapping[int, str]
    values: Sequence[str]
    places: Sequence[str]


class Parts(Enum):
    """Which expressions are evaluated for an object."""

    ALL = "all"
    WHERE = "where"
    VALUES = "values"


class Rows(msgspec.Struct, frozen=True):
    """A table: the values of each row in the order of the columns, by the row's key."""

    columns: Sequence[str]
    rows: Mapping[str, Sequence[Any]]


class Result(msgspec.Struct, array_like=True):
    """What one object yields: a value is `[value]`, or `[]` if it is an absent optional.

    `missing_keys` are pairs of table and key. They count only beside an `error`.
    """

    matches: bool = True
    values: list[list[Any]] = []
    error: str = ""
    missing_keys: list[tuple[str, str]] = []


_MATCH: Final = Result()
encode: Final = msgspec.json.Encoder().encode


class Compilation:
    """The compiled expressions of a plan. Raises CompileError for one with a mistake."""

    def __init__(self, texts: Texts, columns: Mapping[str, Sequence[str]]) -> None:
        language = Language(texts.variables, columns)
        self.where = {block: language.compile(text) for block, text in texts.where.items()}
        self.values = [language.compile(text) for text in texts.values]
        self._of_values = merged([reads_of(one.node, NAMES) for one in self.values])
        self._of_where = {block: reads_of(one.node, NAMES) for block, one in self.where.items()}

    def reads(self, block: int, parts: Parts = Parts.ALL) -> dict[str, Tree]:
        """Return what the expressions for a block's objects read of each variable."""
        where = {} if parts is Parts.VALUES else self._of_where.get(block, {})
        return merged([where, {} if parts is Parts.WHERE else self._of_values])

    def tables_of_where(self) -> set[str]:
        """Return the tables that a `where` looks up."""
        return {table for one in self.where.values() for table in tables_in(one.node)}


class Evaluation:
    """Evaluates a plan's expressions; `tables` are their rows."""

    def __init__(self, texts: Texts, tables: Mapping[str, Rows]) -> None:
        compilation = Compilation(texts, {name: one.columns for name, one in tables.items()})
        self._tables = tables
        self._missing: list[tuple[str, str]] = []
        self._environment = Environment(NAMES, (*LIBRARY, ORDER, *self._functions()))
        self._places = texts.places
        self._values = [self._load(_listed(one)) for one in compilation.values]
        self._optionals = [self._load(_optional(one)) for one in compilation.values]
        self._where = {block: self._load(one.node) for block, one in compilation.where.items()}
        everything = ListLiteral(tuple(_listed(one) for one in compilation.values))
        self._all = {
            block: self._load(Call(CONDITIONAL, (one.node, everything, syntax.FALSE)))
            for block, one in compilation.where.items()
        }
        self._all_values = self._load(everything)
        self._compilation = compilation
        self._value_reads = compilation.reads(-1, Parts.VALUES)
        self._memo = Memo()

    def names(self, block: int, parts: Parts) -> frozenset[str]:
        """Return the variables that are read; each other one would be converted for nothing."""
        return frozenset(self._compilation.reads(block, parts))

    def evaluate(self, block: int, data: Mapping[str, Any], parts: Parts = Parts.ALL) -> Result:
        """Evaluate the block's `where`, and for an object that matches the values."""
        self._missing.clear()
        where = None if parts is Parts.VALUES else self._where.get(block)
        if parts is Parts.WHERE:
            return self._one_by_one(where, data, values=False)
        if self._memo.is_useful:
            return self._remembered(where, data)
        return self._together(self._all_values if where is None else self._all[block], where, data)

    def _remembered(self, where: Program | None, data: Mapping[str, Any]) -> Result:
        """Evaluate `where`, and take the values from an object that reads the same."""
        if where is not None and (result := self._one_by_one(where, data, values=False)) != _MATCH:
            return result
        key = encode([projected(data.get(name), tree) for name, tree in self._value_reads.items()])
        known = self._memo.get(key)
        if known is None:
            known = self._together(self._all_values, None, data)
            self._memo.put(key, known)
        return known

    def _together(self, program: Program, where: Program | None, data: Mapping[str, Any]) -> Result:
        try:
            found = program.evaluate(data)
        except EvaluationError:
            self._missing.clear()
            return self._one_by_one(where, data, values=True)
        return Result(matches=False) if found is False else self._checked(found)

    def _one_by_one(
        self, where: Program | None, data: Mapping[str, Any], *, values: bool
    ) -> Result:
        if where is not None:
            try:
                matches = where.evaluate(data)
            except EvaluationError as error:
                return self._failed("where", what_failed(str(error)))
            if not isinstance(matches, bool):
                return self._failed("where", f"is {kind_of(matches)}, and not true or false")
            if not matches:
                return Result(matches=False)
        found: list[list[Any]] = []
        for place, program, optional in zip(
            self._places if values else (), self._values, self._optionals, strict=False
        ):
            try:
                found.append(_value_of(program, optional, data))
            except EvaluationError as error:
                return self._failed(place, what_failed(str(error)))
        return self._checked(found)

    def _checked(self, found: list[list[Any]]) -> Result:
        for place, value in zip(self._places, found, strict=False):
            if value and (what := _problem_of(value[0])):
                return self._failed(place, what)
        return Result(values=found)

    def _failed(self, place: str, what: str) -> Result:
        missing = list(dict.fromkeys(self._missing))
        return Result(error=f"{place}: {what}", missing_keys=missing)

    def _load(self, node: Node) -> Program:
        return self._environment.load(syntax.encode(node))

    def _functions(self) -> Sequence[Overload]:
        def row(table: str, key: Any) -> dict[str, Any]:
            found = self._tables[table]
            values = found.rows.get(key) if isinstance(key, str) else None
            if values is None:
                self._missing.append((table, str(key)))
                raise LookupError(f"the table {table} has no row {key!r}")
            return dict(zip(found.columns, values, strict=True))

        def has_row(table: str, key: Any) -> bool:
            return key in self._tables[table].rows if isinstance(key, str) else False

        return (
            Overload(ROW, "fleetpatch_row", (STRING, DYN), "map", row),
            Overload(HAS_ROW, "fleetpatch_has_row", (STRING, DYN), BOOL, has_row),
        )


class Memo:
    """Results by what their expressions have read: many objects have the same team or namespace.

    It is useful while at least half of the lookups find a result.
    """

    def __init__(self) -> None:
        self._results: dict[bytes, Result] = {}
        self._hits = 0
        self._misses = 0

    @property
    def is_useful(self) -> bool:
        """Whether looking results up has paid off so far."""
        return self._misses < _TRIED or self._hits > self._misses

    def get(self, key: bytes) -> Result | None:
        """Return the result for what was read, or None."""
        found = self._results.get(key)
        if found is None:
            self._misses += 1
        else:
            self._hits += 1
        return found

    def put(self, key: bytes, result: Result) -> None:
        """Remember a result, in place of all others if there are too many."""
        if len(self._results) >= _REMEMBERED:
            self._results.clear()
        self._results[key] = result


def _listed(expression: Expression) -> Node:
    """Return `[?x]` for an optional, which Python does not have, else `[x]`."""
    return ListLiteral((expression.node,), (0,) if expression.is_optional else ())


def _optional(expression: Expression) -> Node:
    return ListLiteral((expression.node,), (0,))


def _value_of(program: Program, optional: Program, data: Mapping[str, Any]) -> list[Any]:
    try:
        found: list[Any] = program.evaluate(data)
    except EvaluationError:
        # Only the object tells whether a value of the type `dyn` is an optional.
        try:
            found = optional.evaluate(data)
        except EvaluationError:
            found = program.evaluate(data)
    return found


def _problem_of(value: Any) -> str:
    """Say why a value is not JSON; '' if it is."""
    if type(value) in _JSON:
        return ""
    match value:
        case float():
            return "" if math.isfinite(value) else f"is {value}, which JSON does not have"
        case list():
            return next((what for one in value if (what := _problem_of(one))), "")
        case dict() if is_quantity(value):
            return (
                "is a quantity, which JSON does not have; write string(x.asInteger()), or"
                " string(x.asApproximateFloat()) for a fraction"
            )
        case dict():
            for key, one in value.items():
                if not isinstance(key, str):
                    return f"is a map with the key {key!r}, and the keys of JSON are text"
                if what := _problem_of(one):
                    return what
            return ""
    return f"is {kind_of(value)}, which JSON does not have; write string(...) around it"


_JSON: Final = frozenset({str, int, bool, type(None)})


def kind_of(value: Any) -> str:
    """Return the kind of a value in words: `a timestamp`."""
    known = {str: "text", bool: "a truth value", int: "a number", float: "a number"}
    if is_quantity(value):
        return "a quantity"
    kinds = {**known, list: "a list", dict: "a map", type(None): "null", **_TYPES}
    return next((word for kind, word in kinds.items() if type(value) is kind), "a type")
