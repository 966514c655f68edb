"""Who owns which field: the changes between two states of an object, and their effect on owners."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TypeAlias, TypeVar

import msgspec

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


class Conflict(msgspec.Struct, frozen=True):
    """A field that an apply would change, and the other manager that owns it."""

    manager: Manager
    field: Field


class ConflictError(ValueError):
    """An apply would change fields that other managers own: `conflicts`."""

    def __init__(self, conflicts: Sequence[Conflict]) -> None:
        super().__init__(f"{len(conflicts)} conflicts")
        self.conflicts = conflicts


class Changes(msgspec.Struct, frozen=True):
    """The fields that were added or modified, and those that were removed."""

    changed: FieldSet
    removed: FieldSet

    @classmethod
    def between(cls, old: Json, new: Json, rule: Rule) -> "Changes":
        """Compare two states of an object that merges by `rule`."""
        found = list(differences(old, new, rule))
        # A removal is no conflict, so it is kept apart.
        removed = frozenset(field for what, field in found if what is Difference.REMOVED)
        return cls(frozenset(field for _, field in found) - removed, removed)

    def __bool__(self) -> bool:
        return bool(self.changed or self.removed)

    def still_owned(self, owners: Mapping[Manager, FieldSet]) -> Owners:
        """The fields that `owners` keep after another manager has made these changes."""
        return {manager: fields - self.changed - self.removed for manager, fields in owners.items()}

    def check(self, owners: Mapping[Manager, FieldSet]) -> None:
        """Raise ConflictError if a field of one of `owners` is changed; a removal is allowed."""
        # Sorted, because the server's message lists the conflicts in this order.
        conflicts = [
            Conflict(manager, field)
            for manager in sorted(owners, key=lambda manager: manager.identifier)
            for field in sorted(owners[manager] & self.changed)
        ]
        if conflicts:
            raise ConflictError(conflicts)


def reconciled(owners: Mapping[Owner, FieldSet], rule: Rule) -> dict[Owner, FieldSet]:
    """Adapt recorded owners to the schema, which may have changed since they were recorded.

    An owner of something within a field that is atomic now owns the whole field.
    """
    return {
        owner: frozenset(within_atomic(field, rule) for field in fields)
        for owner, fields in owners.items()
    }


def reconciled_legacy(
    owners: Mapping[Owner, FieldSet], live: Json, rule: Rule
) -> dict[Owner, FieldSet]:
    """Adapt recorded owners as structured-merge-diff 4.0 does (Kubernetes 1.20).

    If an owner has a map without any of its fields, it assumes that the map was atomic, and makes
    it the owner of all fields in the map. So a write that changes nothing may change the owners.
    """
    # A list, because it is searched once for each owner.
    existing = list(fields_of(live, rule))
    result = {}
    for owner, fields in reconciled(owners, rule).items():
        maps = {field[:end] for field in fields for end in range(1, len(field))}
        leaves = fields - maps
        result[owner] = fields | {
            field
            for field in existing
            if any(field[:end] in leaves for end in range(1, len(field)))
        }
    return result


def pruned(
    document: Json, last: FieldSet, owned: FieldSet, rule: Rule, *, legacy: bool = True
) -> Json:
    """Remove from a merged object the fields that its applier owned before and that are not owned.

    `last` are the fields of its last apply; `owned` are those that the configuration names, or that
    other managers own.

    For a current server (structured-merge-diff 4.1), the owner of a field also owns the named
    fields around it, so that a struct is removed with its last field.
    """
    if not last:
        return document

    def members(fields: Iterable[Field]) -> FieldSet:
        return frozenset(fields) if legacy else with_named(fields, rule)

    def present(value: Json) -> FieldSet:
        return members(fields_of(value, rule, empty=not legacy))

    existing, last = present(document), members(last)
    remove = partial(without, document, rule=rule, keep_empty=not legacy)
    # Remove what the applier owned; whatever is still there, or owned, is kept. Removing the rest
    # may empty containers, which then disappear as well, so the kept fields are computed again.
    # Only fields of `last` may be removed: a container without an owner stays.
    kept = present(remove(last)) | members(owned)
    kept = present(remove(existing - kept))
    return remove((existing - kept) & last)
