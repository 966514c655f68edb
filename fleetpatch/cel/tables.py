"""The tables of a plan in its expressions: which uses are mistakes, and what they become.

| written | becomes |
|---|---|
| `tables.costs[KEY]`, `tables.costs.key` | `@row("costs", KEY)` |
| `KEY in tables.costs`, `has(tables.costs.key)` | `@hasRow("costs", KEY)` |
| `tables.costs[?KEY]`, `tables.costs.?key` | the row as an optional, by both functions |

The runtime would convert a whole table for each evaluation; the functions return one row.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from fleetpatch.cel import syntax
from fleetpatch.cel.runtime import Mistake
from fleetpatch.cel.syntax import (
    CONDITIONAL,
    IN,
    INDEX,
    OPTIONAL_INDEX,
    OPTIONAL_SELECT,
    Call,
    Const,
    Ident,
    Node,
    Select,
)
from fleetpatch.cel.words import close

ROW: Final = "@row"
HAS_ROW: Final = "@hasRow"

_LOOKUPS: Final = frozenset({INDEX, OPTIONAL_INDEX, OPTIONAL_SELECT})


def member_of(variable: str, node: Node) -> str:
    """Return NAME of a node that is `variable.NAME`, or ''."""
    match node:
        case Ident(name=path) if path.startswith(f"{variable}."):
            return path.removeprefix(f"{variable}.")
        case Select(operand=Ident(name=name), field=field, test_only=False) if name == variable:
            return field
    return ""


def tables_in(node: Node) -> set[str]:
    """Return the tables whose rows a rewritten expression looks up."""
    return {
        one.args[0].text or ""
        for one in syntax.walk(node)
        if isinstance(one, Call)
        and one.function in (ROW, HAS_ROW)
        and isinstance(one.args[0], Const)
    }


class Tables:
    """The columns of each table, by the table's name; None if they are not known."""

    def __init__(self, columns: Mapping[str, Sequence[str] | None]) -> None:
        self._columns = columns

    def mistakes(self, node: Node, text: str) -> Iterator[Mistake]:
        """Find columns that a table lacks, and tables that are used as a whole."""
        lookup = self._lookup(node)
        if lookup is None and (table := member_of("tables", node)):
            how = f"tables.{table}[KEY], tables.{table}[?KEY] or KEY in tables.{table}"
            yield Mistake(place_of(text, table), f"the rows of a table are read by a key: {how}")
        if column := self._wrong_column(node):
            yield Mistake(place_of(text, column[1]), column[2])
        for child in syntax.children(node):
            # The table itself is looked up, and is no mistake.
            if lookup is None or not member_of("tables", child):
                yield from self.mistakes(child, text)

    def _wrong_column(self, node: Node) -> tuple[str, str, str] | None:
        match node:
            case Select(operand=row, field=column):
                pass
            case Call(function=function, args=(row, Const(text=str(column)))) if (
                function in _LOOKUPS
            ):
                pass
            case _:
                return None
        found = self._lookup(row)
        columns = found and self._columns.get(found[0])
        if not found or columns is None or column in columns:
            return None
        hint = close(column, columns) or f"it has {', '.join(columns[:10])}"
        return found[0], column, f"the table {found[0]} has no column {column}; {hint}"

    def _lookup(self, node: Node) -> tuple[str, Node, str] | None:
        """Return table, key and way of a node that looks up a row: a row, `in`, or an optional."""
        found: tuple[str, Node, str]
        match node:
            case Select(operand=table, field=column, test_only=test_only):
                found = (
                    member_of("tables", table),
                    syntax.text(column),
                    IN if test_only else INDEX,
                )
            case Call(function="@in", args=(key, table)):
                found = member_of("tables", table), key, IN
            case Call(function="_[_]", args=(table, key)):
                found = member_of("tables", table), key, INDEX
            case Call(function=function, args=(table, key)) if function in _LOOKUPS:
                found = member_of("tables", table), key, OPTIONAL_INDEX
            case _:
                return None
        return found if found[0] else None

    def rewritten(self, node: Node) -> Node:
        """Return the node as calls of ROW and HAS_ROW, if it looks up a row."""
        match self._lookup(node):
            case (table, key, "_[_]"):
                return _call(ROW, table, key)
            case (table, key, "@in"):
                return _call(HAS_ROW, table, key)
            case (table, key, _):
                row = Call("optional.of", (_call(ROW, table, key),))
                none = Call("optional.none", ())
                return Call(CONDITIONAL, (_call(HAS_ROW, table, key), row, none))
        return node


def _call(function: str, table: str, key: Node) -> Call:
    return Call(function, (syntax.text(table), key))


def place_of(text: str, name: str) -> int:
    """Return the place of a name in a text, as far as it can be found."""
    return max(text.rfind(name), 0)
