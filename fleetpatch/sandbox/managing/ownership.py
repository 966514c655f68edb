"""The algebra of ownership: what changed between two states, and what that does to the owners."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from fleetpatch.model.fields import Json
from fleetpatch.sandbox.managing.fieldsets import Field, FieldSet
from fleetpatch.sandbox.managing.managers import Manager
from fleetpatch.sandbox.managing.typed import Difference, differences, fields_of, without
from fleetpatch.sandbox.store import Document

Owners: TypeAlias = dict[Manager, FieldSet]


@dataclass(frozen=True, slots=True)
class Conflict:
    """A field that an apply would change, and who owns it."""

    manager: Manager
    field: Field


class ConflictError(ValueError):
    """An apply would change what others own: `conflicts`."""

    def __init__(self, conflicts: Sequence[Conflict]) -> None:
        super().__init__(f"{len(conflicts)} conflicts")
        self.conflicts = conflicts


@dataclass(frozen=True, slots=True)
class Changes:
    """The fields that are new or have another value, and those that are gone."""

    changed: FieldSet
    removed: FieldSet

    @classmethod
    def between(cls, old: Document, new: Document, rule: str) -> "Changes":
        """Compare two states of an object of the type `rule`."""
        found = list(differences(old, new, rule))
        removed = frozenset(field for what, field in found if what is Difference.REMOVED)
        return cls(frozenset(field for _, field in found) - removed, removed)

    def __bool__(self) -> bool:
        return bool(self.changed or self.removed)

    def left_to(self, owners: Mapping[Manager, FieldSet]) -> Owners:
        """What the owners still own after it."""
        return {manager: fields - self.changed - self.removed for manager, fields in owners.items()}

    def check(self, owners: Mapping[Manager, FieldSet]) -> None:
        """Raise ConflictError where it changes what one of `owners` owns."""
        conflicts = [
            Conflict(manager, field)
            for manager in sorted(owners, key=lambda manager: manager.identifier)
            for field in sorted(owners[manager] & self.changed)
        ]
        if conflicts:
            raise ConflictError(conflicts)


def reconciled(owners: Mapping[Manager, FieldSet], live: Document, rule: str) -> Owners:
    """Who owns what, as the server reads it.

    It takes a map that somebody owns without any of its fields for one that was atomic, and hands
    all of them over; so a write that changes nothing may change the owners.
    """
    existing = list(fields_of(live, rule))
    result = {}
    for manager, fields in owners.items():
        maps = {field[:end] for field in fields for end in range(1, len(field))}
        alone = fields - maps
        result[manager] = fields | {
            field for field in existing if any(field[:end] in alone for end in range(1, len(field)))
        }
    return result


def pruned(document: Json, last: FieldSet, owned: FieldSet, rule: str) -> Json:
    """The merged object without what its applier owned before (`last`) and nobody owns now."""
    if not last:
        return document
    existing = frozenset(fields_of(document, rule))
    spared = frozenset(fields_of(without(document, last, rule), rule)) | owned
    left = frozenset(fields_of(without(document, existing - spared, rule), rule))
    return without(document, (existing - left) & last, rule)
