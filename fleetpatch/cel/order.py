"""Makes `map` and `filter` over a map follow its keys in order.

The runtime takes the keys of a map in an order that differs from process to process. So would a
list that is made of them, and a plan would not be planned twice alike. `m.map(k, x)` becomes

    cel.bind(range, m, type(range) == type({}) ? @sorted(range.map(k, k)) : range).map(k, x)

All other macros have the same result in any order.
"""

from typing import Any, Final, TypeGuard

from msgspec.structs import replace

from fleetpatch.cel import syntax
from fleetpatch.cel.runtime import Overload
from fleetpatch.cel.syntax import (
    CONDITIONAL,
    Call,
    Comprehension,
    Ident,
    ListLiteral,
    MapLiteral,
    Node,
)

_SORTED: Final = "@sorted"
# No name in a text begins with `@`.
_RANGE: Final = Ident("@range")
_KEY: Final = Ident("@key")
_KEYS: Final = Ident("@keys")
_EMPTY: Final = ListLiteral(())
_ALL_KEYS: Final = Comprehension(
    iter_var=_KEY.name,
    iter_var2="",
    accu_var=_KEYS.name,
    iter_range=_RANGE,
    accu_init=_EMPTY,
    loop_condition=syntax.TRUE,
    loop_step=Call("_+_", (_KEYS, ListLiteral((_KEY,)))),
    result=_KEYS,
)
# Not the name `map`: a macro's variable may be called so.
_IS_MAP: Final = Call("_==_", tuple(Call("type", (one,)) for one in (_RANGE, MapLiteral("", ()))))
_ORDERED: Final = Call(CONDITIONAL, (_IS_MAP, Call(_SORTED, (_ALL_KEYS,)), _RANGE))


def in_order(node: Node) -> Node:
    """Return the node, with the keys in order if it makes a list of a map."""
    if not _makes_list(node) or isinstance(node.iter_range, ListLiteral):
        return node
    # What such a macro has made is a list.
    if _makes_list(node.iter_range):
        return node
    bound = Comprehension(
        iter_var="#unused",
        iter_var2="",
        accu_var=_RANGE.name,
        iter_range=_EMPTY,
        accu_init=node.iter_range,
        loop_condition=syntax.FALSE,
        loop_step=_RANGE,
        result=_ORDERED,
    )
    return replace(node, iter_range=bound)


def _makes_list(node: Node) -> TypeGuard[Comprehension]:
    # `map` and `filter` collect their entries in a list; `all` has true, and so on.
    return isinstance(node, Comprehension) and node.accu_init == _EMPTY


def _sorted(keys: list[Any]) -> list[Any]:
    # Keys of an object are text; those of a map in an expression may be numbers and truth values.
    return sorted(keys, key=lambda key: (type(key).__name__, key))


ORDER: Final = Overload(_SORTED, "fleetpatch_sorted", ("list",), "list", _sorted)
"""The function that the rewritten macros call."""
