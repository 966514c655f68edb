"""The tree of an expression, decoded from the runtime's message and encoded again.

Macros are expanded: `all`, `exists` and `map` are a `Comprehension`. Source of the field numbers:
cel/expr/syntax.proto and checked.proto of cel-spec.
"""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Final, TypeAlias

import msgspec
from msgspec.structs import replace

from fleetpatch.cel import wire
from fleetpatch.cel.wire import BYTES, VARINT, Field

_ANY_TYPE: Final = 1
_ANY_VALUE: Final = 2
_CHECKED_EXPR: Final = 4
_PARSED_EXPR: Final = 2
_STRING: Final = 6
_ID: Final = 2


class Const(msgspec.Struct, frozen=True):
    """A literal: the fields of the message Constant."""

    raw: bytes

    @property
    def text(self) -> str | None:
        """The value, if it is text."""
        for number, _, value in wire.decode(self.raw):
            if number == _STRING and isinstance(value, bytes):
                return value.decode()
        return None


class Ident(msgspec.Struct, frozen=True):
    """A variable."""

    name: str


class Select(msgspec.Struct, frozen=True):
    """`operand.field`, or `has(operand.field)` if `test_only`."""

    operand: "Node"
    field: str
    test_only: bool = False


class Call(msgspec.Struct, frozen=True):
    """A function or an operator; `target` is set for `target.function(args)`."""

    function: str
    args: tuple["Node", ...]
    target: "Node | None" = None


class ListLiteral(msgspec.Struct, frozen=True):
    """`[a, ?b]`; `optional` has the positions of the entries with a question mark."""

    elements: tuple["Node", ...]
    optional: tuple[int, ...] = ()


class Entry(msgspec.Struct, frozen=True):
    """`key: value` of a map; `field` is the key of a message."""

    field: str
    key: "Node | None"
    value: "Node"
    optional: bool = False


class MapLiteral(msgspec.Struct, frozen=True):
    """`{a: b}`, or a message with a name."""

    name: str
    entries: tuple[Entry, ...]


class Comprehension(msgspec.Struct, frozen=True):
    """An expanded macro, or a `cel.bind`."""

    iter_var: str
    iter_var2: str
    accu_var: str
    iter_range: "Node"
    accu_init: "Node"
    loop_condition: "Node"
    loop_step: "Node"
    result: "Node"


Node: TypeAlias = Const | Ident | Select | Call | ListLiteral | MapLiteral | Comprehension

OPTIONAL_SELECT: Final = "_?._"
INDEX: Final = "_[_]"
OPTIONAL_INDEX: Final = "_[?_]"
IN: Final = "@in"
CONDITIONAL: Final = "_?_:_"


def text(value: str) -> Const:
    """Return a literal of text."""
    return Const(wire.encode([wire.text(_STRING, value)]))


FALSE: Final = Const(wire.encode([(2, VARINT, 0)]))
TRUE: Final = Const(wire.encode([(2, VARINT, 1)]))


def children(node: Node) -> Iterator[Node]:
    """Yield the nodes directly below."""
    match node:
        case Select(operand=operand):
            yield operand
        case Call(args=args, target=target):
            if target is not None:
                yield target
            yield from args
        case ListLiteral(elements=elements):
            yield from elements
        case MapLiteral(entries=entries):
            for entry in entries:
                if entry.key is not None:
                    yield entry.key
                yield entry.value
        case Comprehension() as macro:
            yield from _parts(macro)


def _parts(macro: Comprehension) -> tuple[Node, ...]:
    return (
        macro.iter_range,
        macro.accu_init,
        macro.loop_condition,
        macro.loop_step,
        macro.result,
    )


def walk(node: Node) -> Iterator[Node]:
    """Yield the node and all nodes below."""
    yield node
    for child in children(node):
        yield from walk(child)


def depth(node: Node) -> int:
    """Return how many messages are within each other when the node is encoded."""
    own = 3 if isinstance(node, MapLiteral) else 2
    return own + max(map(depth, children(node)), default=0)


def with_children(node: Node, new: Callable[[Node], Node]) -> Node:
    """Return the node with `new(child)` in place of each child."""
    match node:
        case Select(operand=operand):
            return replace(node, operand=new(operand))
        case Call(args=args, target=target):
            return replace(node, args=tuple(map(new, args)), target=target and new(target))
        case ListLiteral(elements=elements):
            return replace(node, elements=tuple(map(new, elements)))
        case MapLiteral(entries=entries):
            return replace(
                node,
                entries=tuple(
                    replace(one, key=one.key and new(one.key), value=new(one.value))
                    for one in entries
                ),
            )
        case Comprehension() as macro:
            parts = map(new, _parts(macro))
            names = ("iter_range", "accu_init", "loop_condition", "loop_step", "result")
            return replace(macro, **dict(zip(names, parts, strict=True)))
        case _:
            return node


def decode(serialized: bytes) -> Node:
    """Return the tree of an expression that the runtime has serialized."""
    is_checked = b"CheckedExpr" in _message(serialized, _ANY_TYPE)
    value = _message(serialized, _ANY_VALUE)
    return _node(_message(value, _CHECKED_EXPR if is_checked else _PARSED_EXPR))


def encode(node: Node) -> bytes:
    """Return what the runtime deserializes to the expression; nodes get new ids."""
    ids = count(1)
    checked = wire.encode([(_CHECKED_EXPR, BYTES, _encoded(node, ids))])
    name = "type.googleapis.com/cel.expr.CheckedExpr"
    return wire.encode([wire.text(1, name), (_ANY_VALUE, BYTES, checked)])


def _message(message: bytes, number: int) -> bytes:
    for found, _, value in wire.decode(message):
        if found == number and isinstance(value, bytes):
            return value
    return b""


class _Fields:
    """The fields of one message, by number."""

    def __init__(self, message: bytes) -> None:
        self._fields = wire.decode(message)

    def nodes(self, number: int) -> tuple[Node, ...]:
        return tuple(_node(value) for value in self.messages(number))

    def node(self, number: int) -> Node:
        return _node(next(self.messages(number)))

    def messages(self, number: int) -> Iterator[bytes]:
        return (v for n, _, v in self._fields if n == number and isinstance(v, bytes))

    def text(self, number: int) -> str:
        return next(self.messages(number), b"").decode()

    def flag(self, number: int) -> bool:
        return any(n == number and v for n, _, v in self._fields)

    def packed(self, number: int) -> tuple[int, ...]:
        numbers: list[int] = []
        for found, _, value in self._fields:
            if found == number:
                # Packed or not: a decoder accepts both.
                numbers += wire.varints(value) if isinstance(value, bytes) else [value]
        return tuple(numbers)


def _node(message: bytes) -> Node:
    for number, _, value in wire.decode(message):
        if number == _ID or not isinstance(value, bytes):
            continue
        fields = _Fields(value)
        match number:
            case 3:
                return Const(value)
            case 4:
                return Ident(fields.text(1))
            case 5:
                return Select(fields.node(1), fields.text(2), fields.flag(3))
            case 6:
                target = next(fields.messages(1), None)
                return Call(fields.text(2), fields.nodes(3), _node(target) if target else None)
            case 7:
                return ListLiteral(fields.nodes(1), fields.packed(2))
            case 8:
                return MapLiteral(fields.text(1), tuple(map(_entry, fields.messages(2))))
            case 9:
                return Comprehension(
                    fields.text(1),
                    fields.text(8),
                    fields.text(3),
                    *(fields.node(part) for part in (2, 4, 5, 6, 7)),
                )
    raise ValueError("an expression without a kind")


def _entry(message: bytes) -> Entry:
    fields = _Fields(message)
    key = next(fields.messages(3), None)
    return Entry(fields.text(2), _node(key) if key else None, fields.node(4), fields.flag(5))


def _encoded(node: Node, ids: "count[int]") -> bytes:
    number, value = _kind(node, ids)
    return wire.encode([(_ID, VARINT, next(ids)), (number, BYTES, value)])


def _kind(node: Node, ids: "count[int]") -> tuple[int, bytes]:
    """Return the number of the field of a node's kind, and its message."""

    def below(number: int, child: Node | None) -> list[Field]:
        return [] if child is None else [(number, BYTES, _encoded(child, ids))]

    match node:
        case Const(raw=raw):
            return 3, raw
        case Ident(name=name):
            return 4, wire.encode([wire.text(1, name)])
        case Select(operand=operand, field=field, test_only=test_only):
            rest = [wire.text(2, field), *wire.flag(3, value=test_only)]
            return 5, wire.encode([*below(1, operand), *rest])
        case Call(function=function, args=args, target=target):
            parts = [one for arg in args for one in below(3, arg)]
            return 6, wire.encode([*below(1, target), wire.text(2, function), *parts])
        case ListLiteral(elements=elements, optional=optional):
            entries = [one for element in elements for one in below(1, element)]
            return 7, wire.encode([*entries, *((2, VARINT, at) for at in optional)])
        case MapLiteral(name=name, entries=entries_):
            encoded = [(2, BYTES, _encoded_entry(one, ids)) for one in entries_]
            return 8, wire.encode([wire.text(1, name), *encoded])
        case Comprehension() as macro:
            parts = [
                one
                for part, child in zip((2, 4, 5, 6, 7), _parts(macro), strict=True)
                for one in below(part, child)
            ]
            second = [wire.text(8, macro.iter_var2)] if macro.iter_var2 else []
            names = [wire.text(1, macro.iter_var), wire.text(3, macro.accu_var)]
            return 9, wire.encode([*names, *parts, *second])


def _encoded_entry(entry: Entry, ids: "count[int]") -> bytes:
    fields: list[Field] = [(1, VARINT, next(ids))]
    if entry.key is None:
        fields.append(wire.text(2, entry.field))
    else:
        fields.append((3, BYTES, _encoded(entry.key, ids)))
    fields.append((4, BYTES, _encoded(entry.value, ids)))
    return wire.encode([*fields, *wire.flag(5, value=entry.optional)])
