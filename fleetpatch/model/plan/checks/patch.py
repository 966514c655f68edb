"""Check the parts of a patch: combinations, keys that are written twice, and sizes.

Labels and annotations are sent as one merge patch. Its keys have no order, so a key that is written
twice would have an arbitrary value.
"""

import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from fleetpatch.model.change import PatchType
from fleetpatch.model.fields import Json
from fleetpatch.model.names import problem_of_annotations
from fleetpatch.model.plan.problems import Finding, TreePath
from fleetpatch.model.plan.tree import mapping_at, sections

LABEL_MOVES: Final = ("renameLabels", "copyLabels")
"""The parts that move or copy each object's own value to another key."""

METADATA_PARTS: Final = ("labels", "annotations", *LABEL_MOVES)
"""The parts of a patch that can be combined; they are sent as one merge patch."""

DOCUMENTS: Final = MappingProxyType(
    {
        "merge": PatchType.MERGE,
        "strategic": PatchType.STRATEGIC,
        "apply": PatchType.APPLY,
    }
)
"""The types of patch whose body is a document in the shape of the object."""

BODIES: Final = MappingProxyType({**DOCUMENTS, "json": PatchType.JSON})
"""All types of patch with a body; each excludes all other parts."""

OPTIONS: Final = ("fieldManager", "force", "pretty")
"""Query parameters of the request."""

LARGEST_SIGNED: Final = 12 * 1024 * 1024
"""The maximum size of the body of a signed request, in bytes (docs/reference.md)."""

_DOES: Final = MappingProxyType({"renameLabels": "renames", "copyLabels": "copies"})
_DONE: Final = MappingProxyType({"renameLabels": "renamed", "copyLabels": "copied"})


class _Move(msgspec.Struct, frozen=True):
    """One entry of renameLabels or copyLabels."""

    part: str
    old: str
    new: str

    @property
    def path(self) -> TreePath:
        return ("patch", self.part, self.old)

    @property
    def done(self) -> str:
        return _DONE[self.part]


def check_labels(tree: Json) -> Iterator[Finding]:
    """Find label keys that are written twice, or moved and written, and too large annotations."""
    moves = list(_moves(tree))
    yield from _conflicting_moves(moves)
    yield from _also_set(mapping_at(tree, ("patch", "labels")), moves)
    yield from _annotations(tree)


def _moves(tree: Json) -> Iterator[_Move]:
    for part in LABEL_MOVES:
        for old, new in mapping_at(tree, ("patch", part)).items():
            if isinstance(new, str):
                yield _Move(part, old, new)


def _conflicting_moves(moves: list[_Move]) -> Iterator[Finding]:
    # If a key is renamed and copied, messages name the rename, because it removes the key. Renames
    # come first in `moves`, and the last entry of a dict wins.
    sources = {move.old: move for move in reversed(moves)}
    taken: dict[str, _Move] = {}
    for move in moves:
        if move.old == move.new:
            yield Finding(move.path, f"{_DOES[move.part]} {move.old!r} to itself; remove it")
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


def _also_set(labels: Mapping[str, Json], moves: list[_Move]) -> Iterator[Finding]:
    for move in moves:
        for key, of_key in ((move.old, True), (move.new, False)):
            if key in labels:
                does = "removed" if labels[key] is None else "set"
                what = f"{key!r} is {does} under patch.labels, too; remove one of the two"
                yield Finding(move.path, what, of_key=of_key)


def _annotations(tree: Json) -> Iterator[Finding]:
    path = ("patch", "annotations")
    texts = {key: value for key, value in mapping_at(tree, path).items() if isinstance(value, str)}
    if problem := problem_of_annotations(texts):
        yield Finding(path, problem, of_key=True)


def check_parts(tree: Json) -> Iterator[Finding]:
    """Find parts of the patch that cannot be combined, and a patch without any."""
    patch = mapping_at(tree, ("patch",))
    # A patch that is not a mapping has a finding of its own.
    if isinstance(mapping_at(tree, ()).get("patch"), dict) and all(key in OPTIONS for key in patch):
        what = f"changes nothing; add {', '.join(METADATA_PARTS)}, or one of {', '.join(BODIES)}"
        yield Finding(("patch",), what)
    first = next((key for key in patch if key in METADATA_PARTS), None)
    for key in patch:
        if key not in BODIES:
            continue
        if first:
            what = f"cannot be combined with {first}; make two plans"
            yield Finding(("patch", key), what, of_key=True)
        first = first or key
    if patch.get("force") is True and "apply" not in patch:
        yield Finding(("patch", "force"), "is for apply only; remove it", of_key=True)


def check_existing(tree: Json) -> Iterator[Finding]:
    """Find `guards.onExisting: skip` beside a patch for which it has no meaning."""
    if mapping_at(tree, ("guards",)).get("onExisting") != "skip":
        return
    patch = mapping_at(tree, ("patch",))
    if patch and "labels" not in patch and "annotations" not in patch:
        what = (
            "is for patch.labels and patch.annotations, and the patch has neither; remove it"
            " (for renameLabels and copyLabels see guards.onClash)"
        )
        yield Finding(("guards", "onExisting"), what, of_key=True)


def check_sizes(tree: Json) -> Iterator[Finding]:
    """Find a body that is too large to be signed, if a cluster needs signed requests."""
    if not any("aksk" in mapping_at(tree, (*path, "auth")) for path in sections(tree, ("fleet",))):
        return
    patch = mapping_at(tree, ("patch",))
    for key in BODIES:
        size = _size(patch[key]) if key in patch else 0
        if size > LARGEST_SIGNED:
            what = (
                f"takes {size} bytes, and signed requests carry at most {LARGEST_SIGNED}; split"
                " the plan, or sign in with token or iam"
            )
            yield Finding(("patch", key), what, of_key=True)


def _size(body: Json) -> int:
    # Not `encoding.encode`: the body may contain values that it cannot encode, such as NaN.
    encoded = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return len(encoded.encode("utf-8", "surrogatepass"))
