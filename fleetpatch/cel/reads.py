"""What expressions read of their variables, so that nothing else is listed, sent and converted."""

from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

from fleetpatch.cel.syntax import (
    INDEX,
    OPTIONAL_INDEX,
    OPTIONAL_SELECT,
    Call,
    Const,
    Ident,
    Node,
    Select,
    children,
)

Tree: TypeAlias = dict[str, "Tree"]
"""The keys that are read of a map, each with those below it; empty: all of the value is read."""

_LOOKUPS = frozenset({INDEX, OPTIONAL_INDEX, OPTIONAL_SELECT})


def reads_of(node: Node, variables: Collection[str]) -> dict[str, Tree]:
    """Return what an expression reads of each of these variables that it names."""
    found: dict[str, Tree] = {}
    _collect(node, variables, found)
    return found


def _collect(node: Node, variables: Collection[str], found: dict[str, Tree]) -> None:
    path = _path(node)
    if path is not None and path[0] in variables:
        _add(found, path)
        return
    for child in children(node):
        _collect(child, variables, found)


def _path(node: Node) -> tuple[str, ...] | None:
    """Return the variable and the constant keys that a node looks up, or None."""
    match node:
        case Ident(name=name):
            return (name,)
        case Select(operand=operand, field=key):
            above = _path(operand)
        case Call(function=function, args=(operand, Const(text=str(key)))) if function in _LOOKUPS:
            above = _path(operand)
        case _:
            return None
    return None if above is None else (*above, key)


def _add(found: dict[str, Tree], path: tuple[str, ...]) -> None:
    tree = found
    for depth, key in enumerate(path):
        is_new = key not in tree
        if not (is_new or tree[key]):
            return  # all of it is read already
        below = tree.setdefault(key, {})
        if depth == len(path) - 1:
            below.clear()
        tree = below


def projected(value: Any, tree: Tree) -> Any:
    """Return the part of a value that is read; what is not a map is kept as it is."""
    if not tree or type(value) is not dict:
        return value
    return {key: projected(value[key], below) for key, below in tree.items() if key in value}


def merged(trees: Collection[Mapping[str, Tree]]) -> dict[str, Tree]:
    """Return what several expressions read together."""
    found: dict[str, Tree] = {}
    for one in trees:
        for path in _paths(one):
            _add(found, path)
    return found


def _paths(tree: Mapping[str, Tree]) -> list[tuple[str, ...]]:
    return [
        (key, *rest) for key, below in tree.items() for rest in (_paths(below) if below else [()])
    ]
