"""The algebra of ownership: what changed between two states, and what that does to the owners."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias, TypeVar

from fleetpatch.model.fields import Json
from fleetpatch.rules.patching.merge_schema import Rule
from fleetpatch.rules.patching.structured.fieldsets import Field, FieldSet
from fleetpatch.rules.patching.structured.managers import Manager
from fleetpatch.rules.patching.structured.typed import (
    Difference,
    differences,
    fields_of,
    with_named,
    within_atomic,
    without,
)

Owners: TypeAlias = dict[Manager, FieldSet]
Owner = TypeVar("Owner")


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
    def between(cls, old: Json, new: Json, rule: Rule) -> "Changes":
        """Compare two states of an object that merges by `rule`."""
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


def reconciled(owners: Mapping[Owner, FieldSet], rule: Rule) -> dict[Owner, FieldSet]:
    """Who owns what, by a schema that may have changed since it was noted.

    Whoever owns something within a field that is atomic now owns all of it.
    """
    return {
        owner: frozenset(within_atomic(field, rule) for field in fields)
        for owner, fields in owners.items()
    }


def handed_over(owners: Mapping[Owner, FieldSet], live: Json, rule: Rule) -> dict[Owner, FieldSet]:
    """Who owns what on a server of structured-merge-diff 4.0 (Kubernetes 1.20).

    It takes a map that somebody owns without any of its fields for one that was atomic, and hands
    all of them over; so a write that changes nothing may change the owners.
    """
    existing = list(fields_of(live, rule))
    result = {}
    for owner, fields in reconciled(owners, rule).items():
        maps = {field[:end] for field in fields for end in range(1, len(field))}
        alone = fields - maps
        result[owner] = fields | {
            field for field in existing if any(field[:end] in alone for end in range(1, len(field)))
        }
    return result


def pruned(
    document: Json, last: FieldSet, owned: FieldSet, rule: Rule, *, legacy: bool = True
) -> Json:
    """The merged object without what its applier owned before (`last`) and nobody owns now.

    A current server (structured-merge-diff 4.1) takes the owner of a field for the owner of those
    around it that have a name in the schema, too, so that a struct goes with its last field.
    """
    if not last:
        return document

    def members(fields: Iterable[Field]) -> FieldSet:
        return frozenset(fields) if legacy else with_named(fields, rule)

    def present(value: Json) -> FieldSet:
        return members(fields_of(value, rule, empty=not legacy))

    existing, last = present(document), members(last)
    remove = partial(without, document, rule=rule, keep_empty=not legacy)
    spared = present(remove(last)) | members(owned)
    left = present(remove(existing - spared))
    return remove((existing - left) & last)
