"""The expressions of one plan: compiled, checked, and rewritten so that each is complete.

`variables.NAME` is replaced by the variable's own expression, so variables are lazy, and an
optional one stays optional.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from fleetpatch.cel import syntax
from fleetpatch.cel.foreign_operators import (
    ForeignOperator,
    foreign_operators,
    in_cel,
    original,
)
from fleetpatch.cel.kubernetes import LIBRARY
from fleetpatch.cel.order import in_order
from fleetpatch.cel.runtime import BOOL, DYN, STRING, Compiled, CompileError, Environment, Mistake
from fleetpatch.cel.syntax import Comprehension, Node
from fleetpatch.cel.tables import Tables, member_of, place_of
from fleetpatch.cel.words import reworded

NAMES: Final[Mapping[str, str]] = {
    "object": "map",
    "owner": "map",
    # Not a map, since it is null for an object without a namespace.
    "namespaceObject": DYN,
    "cluster": STRING,
    "now": "TIMESTAMP",
}
"""The variables of every expression, with their types. `owner` is the selected object, also for an
object that it owns; for the selected object it is the object itself."""

_RESERVED: Final = frozenset({*NAMES, "tables", "variables"})
_SCALARS: Final = frozenset({BOOL, "INT", "UINT", "DOUBLE", STRING, "TIMESTAMP", "DURATION"})
_MAX_NODES: Final = 20_000
"""Nodes of an expression with its variables: they multiply when variables use each other twice."""
_MAX_DEPTH: Final = 94
"""Messages within each other of an expression with its variables. The runtime reads up to 100; the
expressions of a plan are evaluated within three others."""
_TOO_DEEP: Final = (
    "is nested too deeply with the variables that it uses, and those that they use; use fewer of"
    " them within each other"
)
_TOO_LARGE: Final = (
    "is too large with the variables that it uses, and those that they use; split it, or use each"
    " variable once"
)


class Expression(msgspec.Struct, frozen=True):
    """A complete expression: its tree, and the type of its value."""

    node: Node
    type: str

    @property
    def is_optional(self) -> bool:
        """Whether it yields an optional value."""
        return self.type.startswith("optional_type")


class Language:
    """What the expressions of a plan may use: its variables by name, and its tables' columns.

    The columns of a table are None if they are not known.
    `mistakes` are those of the variables, by name.
    """

    def __init__(
        self,
        variables: Mapping[str, str],
        tables: Mapping[str, Sequence[str] | None],
    ) -> None:
        self._tables = Tables(tables)
        self._types: dict[str, str] = {}
        self._names: dict[str, str] = {**NAMES, **{f"tables.{name}": "rows" for name in tables}}
        self._variables: dict[str, Node] = {}
        self.mistakes: dict[str, tuple[Mistake, ...]] = {}
        self._environment = Environment(self._names, LIBRARY)
        for name in self._in_order(variables):
            try:
                compiled = self._compiled(variables[name])
                self._variables[name] = self._complete(compiled, variables[name])
                self._types[name] = compiled.type
                self._names[f"variables.{name}"] = _declared(compiled.type)
            except CompileError as error:
                self.mistakes[name] = error.mistakes
                # Declared all the same, so that its users have no second mistake.
                self._names[f"variables.{name}"] = DYN
            self._environment = Environment(self._names, LIBRARY)

    def compile(self, text: str) -> Expression:
        """Compile an expression. Raises CompileError with what is wrong, in people's words."""
        compiled = self._compiled(text)
        name = member_of("variables", syntax.decode(compiled.serialized))
        return Expression(self._complete(compiled, text), self._types.get(name, compiled.type))

    def checked(self, text: str) -> tuple[str, tuple[Mistake, ...]]:
        """Return the type of an expression's value, and what is wrong with the expression."""
        try:
            return self.compile(text).type, ()
        except CompileError as error:
            return DYN, error.mistakes

    def _compiled(self, text: str) -> Compiled:
        try:
            return self._environment.compile(text)
        except CompileError as error:
            if foreign := foreign_operators(text):
                raise CompileError(self._mistakes_beside(foreign, text)) from None
            raise CompileError(self._reworded(error.mistakes, text)) from None

    def _mistakes_beside(self, foreign: Sequence[ForeignOperator], text: str) -> list[Mistake]:
        """Return operators that CEL does not have, and what else is wrong with the text."""
        found = [one.mistake for one in foreign]
        cel = in_cel(text, foreign)
        try:
            self._environment.compile(cel)
        except CompileError as error:
            found += [original(one, foreign) for one in self._reworded(error.mistakes, cel)]
        return sorted(found, key=lambda one: one.offset)

    def _reworded(self, mistakes: Sequence[Mistake], text: str) -> list[Mistake]:
        known = list(self._names)
        # A part with a mistake has the type `*error*`, which is the mistake of what uses it.
        causes = [one for one in mistakes if "*error*" not in one.what]
        return [reworded(one, text, known) for one in causes or mistakes]

    def _complete(self, compiled: Compiled, text: str) -> Node:
        node = syntax.decode(compiled.serialized)
        if mistakes := [*self._tables.mistakes(node, text), *_shadowed(node, text)]:
            raise CompileError(mistakes)
        try:
            node = self._rewritten(node)
            if any(at > _MAX_NODES for at, _ in enumerate(syntax.walk(node))):
                raise CompileError([Mistake(0, _TOO_LARGE)])
            is_deep = syntax.depth(node) > _MAX_DEPTH
        except RecursionError:
            is_deep = True
        if is_deep:
            raise CompileError([Mistake(0, _TOO_DEEP)])
        return node

    def _rewritten(self, node: Node) -> Node:
        name = member_of("variables", node)
        if name in self._variables:
            return self._variables[name]
        # From the inside: a key may be a row of another table.
        return in_order(self._tables.rewritten(syntax.with_children(node, self._rewritten)))

    def _in_order(self, texts: Mapping[str, str]) -> Iterator[str]:
        """Yield the variables, each after those that it uses; those in a circle are mistakes."""
        uses = {name: self._used(text) & texts.keys() for name, text in texts.items()}
        done: set[str] = set()
        waiting = list(texts)
        while ready := [name for name in waiting if uses[name] <= done]:
            yield from ready
            done.update(ready)
            waiting = [name for name in waiting if name not in done]
        circle = " and ".join(f"variables.{one}" for one in waiting)
        for name in waiting:
            what = f"{circle} use each other in a circle; break it"
            self.mistakes[name] = (Mistake(0, what),)
            self._names[f"variables.{name}"] = DYN
        self._environment = Environment(self._names, LIBRARY)

    def _used(self, text: str) -> set[str]:
        """Return the variables that a text uses, as far as it can be parsed."""
        try:
            cel = in_cel(text, foreign_operators(text))
            node = syntax.decode(self._environment.parse(cel))
        except CompileError:
            return set()
        return {name for one in syntax.walk(node) if (name := member_of("variables", one))}


def _declared(type_: str) -> str:
    """Return the type by which a variable is declared: as exact as `runtime.Type` is."""
    if type_ in _SCALARS:
        return type_
    if type_.startswith("LIST"):
        return "list"
    return "map" if type_.startswith("MAP<STRING") else DYN


def _shadowed(node: Node, text: str) -> Iterator[Mistake]:
    for one in syntax.walk(node):
        if isinstance(one, Comprehension):
            for name in (one.iter_var, one.iter_var2, one.accu_var):
                if name in _RESERVED:
                    what = f"{name} has a meaning already; name the macro's variable otherwise"
                    yield Mistake(place_of(text, name), what)
