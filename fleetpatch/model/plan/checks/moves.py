"""Check the keys of labels and annotations: written twice, renamed, copied, and patterns.

Labels and annotations are sent as one merge patch. Its keys have no order, so a key that is written
twice would have an arbitrary value.
"""

from collections.abc import Iterator, Sequence
from types import MappingProxyType
from typing import Final

import msgspec

from fleetpatch.model.fields import Json
from fleetpatch.model.names import problem_of_annotations
from fleetpatch.model.patterns import is_pattern
from fleetpatch.model.plan.checks.patch import MOVES
from fleetpatch.model.plan.problems import Finding, TreePath
from fleetpatch.model.plan.tree import mapping_at

_DOES: Final = MappingProxyType({"rename": "renames", "copy": "copies"})
_DONE: Final = MappingProxyType({"rename": "renamed", "copy": "copied"})


class _Move(msgspec.Struct, frozen=True):
    """One entry of a part of MOVES."""

    part: str
    old: str
    new: str

    @property
    def verb(self) -> str:
        """`rename` or `copy`."""
        return "rename" if self.part.startswith("rename") else "copy"

    @property
    def path(self) -> TreePath:
        return ("patch", self.part, self.old)

    @property
    def done(self) -> str:
        return _DONE[self.verb]


def check_moves(tree: Json) -> Iterator[Finding]:
    """Find keys that are written twice, or moved and written, and too large annotations."""
    for name in dict.fromkeys(MOVES.values()):
        moves = list(_moves(tree, name))
        yield from _conflicting_moves(moves)
        yield from _also_set(tree, name, moves)
        yield from _patterns(tree, name)
    yield from _annotations(tree)


def _moves(tree: Json, name: str) -> Iterator[_Move]:
    for part in (part for part, of in MOVES.items() if of == name):
        for old, new in mapping_at(tree, ("patch", part)).items():
            if isinstance(new, str):
                yield _Move(part, old, new)


def _conflicting_moves(moves: Sequence[_Move]) -> Iterator[Finding]:
    # If a key is renamed and copied, messages name the rename, because it removes the key. Renames
    # come first in `moves`, and the last entry of a dict wins.
    sources = {move.old: move for move in reversed(moves)}
    taken: dict[str, _Move] = {}
    for move in moves:
        if move.old == move.new:
            yield Finding(move.path, f"{_DOES[move.verb]} {move.old!r} to itself; remove it")
        elif move.new in sources:
            done = sources[move.new].done
            yield Finding(move.path, f"{move.new!r} is {done}, too; make two plans")
        if sources[move.old].part != move.part:
            what = f"{move.old!r} is {sources[move.old].done}, too; make two plans"
            yield Finding(move.path, what, of_key=True)
        if move.new in taken:
            first = taken[move.new]
            what = f"{first.old!r} is {first.done} to {move.new!r} already; remove one"
            yield Finding(move.path, what)
        taken.setdefault(move.new, move)


def _also_set(tree: Json, name: str, moves: Sequence[_Move]) -> Iterator[Finding]:
    values = mapping_at(tree, ("patch", name))
    for move in moves:
        for key, of_key in ((move.old, True), (move.new, False)):
            if key in values:
                does = "removed" if values[key] is None else "set"
                what = f"{key!r} is {does} under patch.{name}, too; remove one of the two"
                yield Finding(move.path, what, of_key=of_key)


def _patterns(tree: Json, name: str) -> Iterator[Finding]:
    path = ("patch", name)
    for key, value in mapping_at(tree, path).items():
        if is_pattern(key) and value is not None:
            what = "is a pattern, and a pattern only removes keys; write null, or a key without '*'"
            yield Finding((*path, key), what, of_key=True)


def _annotations(tree: Json) -> Iterator[Finding]:
    path = ("patch", "annotations")
    texts = {key: value for key, value in mapping_at(tree, path).items() if isinstance(value, str)}
    if problem := problem_of_annotations(texts):
        yield Finding(path, problem, of_key=True)
