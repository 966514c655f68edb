"""The change that a run makes to each object, independent of the plan file.

Three kinds: labels and annotations, for which only metadata is read; a patch body from the plan,
for which whole objects are read; and a restoration (undo), whose wanted values are stored with each
target.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cached_property
from typing import Final, TypeAlias, TypeGuard

import msgspec

from fleetpatch.model.computed import Expression, expressions_in
from fleetpatch.model.fields import ABSENT, Fields, Json, Path, annotation, label, look_up
from fleetpatch.model.patterns import beginning

FIELD_MANAGER: Final = "fleetpatch"
"""The default field manager: the name under which a server records our changes."""


class PatchType(StrEnum):
    """The type of a patch; the value is its content type."""

    MERGE = "application/merge-patch+json"
    JSON = "application/json-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    APPLY = "application/apply-patch+yaml"


_MERGED_BY_SCHEMA: Final = frozenset({PatchType.STRATEGIC, PatchType.APPLY})


class MetadataChange(msgspec.Struct, frozen=True, dict=True):
    """Labels and annotations to set (None removes), to rename and to copy; patterns to remove.

    A renamed or copied key keeps each object's own value; an object without it is not changed. No
    key is written twice; `fleetpatch.model.plan.checks.patch` refuses such plans. A pattern removes
    the keys that an object has and that match it, except those that the change names otherwise.
    With `keeps_existing` an object that has another value for a key to set is not changed at all.
    `expressions` compute the values of further labels and annotations for each object. Patterns
    leave the fields in `spared` alone.
    """

    labels: Mapping[str, str | None] = {}
    annotations: Mapping[str, str | None] = {}
    rename_labels: Mapping[str, str] = {}
    copy_labels: Mapping[str, str] = {}
    keeps_existing: bool = False
    rename_annotations: Mapping[str, str] = {}
    copy_annotations: Mapping[str, str] = {}
    label_patterns: tuple[str, ...] = ()
    annotation_patterns: tuple[str, ...] = ()
    expressions: Mapping[Path, Expression] = {}
    spared: frozenset[Path] = frozenset()

    # `dict=True`, because `cached_property` needs a `__dict__`. These values are the same for all
    # objects, and a run uses them for each object, so they are computed once.
    @cached_property
    def touched(self) -> tuple[Path, ...]:
        """The fields that the change names, sorted; patterns touch further ones (`touched_of`)."""
        # Also the sources of copies: their values decide what is written, so a change of one is
        # drift.
        moves = (self.renames, self.copies)
        moved = {path for of_kind in moves for pair in of_kind.items() for path in pair}
        return tuple(sorted({*self.values, *moved, *self.expressions}))

    @cached_property
    def named(self) -> frozenset[Path]:
        """The fields of `touched`, to find out which ones only a pattern touches."""
        return frozenset(self.touched)

    @cached_property
    def values(self) -> Fields:
        """The values that all objects get, whatever they had before; ABSENT removes a field."""
        labels = {label(key): value for key, value in self.labels.items()}
        annotations = {annotation(key): value for key, value in self.annotations.items()}
        return {
            path: ABSENT if value is None else value
            for path, value in (labels | annotations).items()
        }

    @cached_property
    def renames(self) -> Mapping[Path, Path]:
        """The new field of each renamed one."""
        return _moves(self.rename_labels, self.rename_annotations)

    @cached_property
    def copies(self) -> Mapping[Path, Path]:
        """The new field of each copied one."""
        return _moves(self.copy_labels, self.copy_annotations)

    @cached_property
    def varies(self) -> bool:
        """Whether the wanted values of an object depend on its own values before the change."""
        return bool(self.renames or self.copies or self._patterns)

    @cached_property
    def _patterns(self) -> Mapping[str, tuple[str, ...]]:
        """The beginnings of the keys to remove, for each of the two maps that has any."""
        both = {"labels": self.label_patterns, "annotations": self.annotation_patterns}
        return {
            name: tuple(beginning(pattern) for pattern in patterns)
            for name, patterns in both.items()
            if patterns
        }

    def touched_of(self, document: Json) -> tuple[Path, ...]:
        """The fields of an object that the change may write."""
        if not self._patterns:
            return self.touched
        matching = (
            ("metadata", name, key)
            for name, beginnings in self._patterns.items()
            for key in _keys(document, name)
            if key.startswith(beginnings) and ("metadata", name, key) not in self.spared
        )
        return tuple(sorted({*self.named, *matching}))


def _moves(labels: Mapping[str, str], annotations: Mapping[str, str]) -> Mapping[Path, Path]:
    return {
        **{label(old): label(new) for old, new in labels.items()},
        **{annotation(old): annotation(new) for old, new in annotations.items()},
    }


def _keys(document: Json, name: str) -> Iterable[str]:
    found = look_up(document, ("metadata", name))
    return found if isinstance(found, Mapping) else ()


class BodyPatch(msgspec.Struct, frozen=True, dict=True):
    """A patch body from the plan: a document, or for JSON Patch a list of operations.

    `manager` is the field manager of the request. It is a part of the change, because an apply
    removes fields that the same manager applied before.
    """

    type: PatchType
    body: Json
    manager: str = FIELD_MANAGER

    @cached_property
    def expressions(self) -> Mapping[Path, Expression]:
        """The expressions in the body; a JSON Patch has none."""
        return {} if self.type is PatchType.JSON else expressions_in(self.body)


class Restoration(msgspec.Struct, frozen=True):
    """Restores each target's `wanted` values; `whole` if some of them are outside of metadata."""

    whole: bool = False


PlanChange: TypeAlias = MetadataChange | BodyPatch
"""A change that a plan file can express."""

Change: TypeAlias = PlanChange | Restoration


def reads_whole(change: Change) -> bool:
    """Report whether whole objects must be read, and not just their metadata."""
    match change:
        case MetadataChange():
            return False
        case BodyPatch():
            return True
        case Restoration(whole=whole):
            return whole


def is_repeatable(change: Change) -> bool:
    """Report whether the change is idempotent.

    A JSON Patch is not: it may append, move, and remove by position.
    """
    return not (isinstance(change, BodyPatch) and change.type is PatchType.JSON)


def merges_by_schema(change: Change) -> TypeGuard[BodyPatch]:
    """Report whether the schema of a kind decides how a server merges the change."""
    return isinstance(change, BodyPatch) and change.type in _MERGED_BY_SCHEMA


class PatchOptions(msgspec.Struct, frozen=True):
    """The query parameters of each PATCH of a run.

    `force` takes fields over from other managers, and is valid for apply only; `pretty` requests an
    indented answer.
    """

    field_manager: str = FIELD_MANAGER
    force: bool = False
    pretty: bool = False


class PatchRequest(msgspec.Struct, frozen=True):
    """The body of one PATCH, its type and its query parameters."""

    type: PatchType
    body: bytes
    options: PatchOptions = PatchOptions()
