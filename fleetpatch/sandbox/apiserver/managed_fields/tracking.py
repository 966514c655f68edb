"""The effect of a write on the owners of an object's fields, and of an apply on the object.

An object is tracked from its creation. Objects of the sample fleet, and objects whose
`managedFields` were cleared, are not tracked until the first apply: then all their fields belong to
`before-first-apply`.

An *update* (POST, PUT, and a PATCH of any other type) takes over the fields that it changes, and
never conflicts. An *apply* owns the fields that its configuration names. If it would change a field
that another manager owns, that is a conflict; with `force` it takes the field over. A field that
the same manager applied before, and leaves out now, is removed, unless another manager owns it as
well. If two managers apply the same value, both own the field.

Not implemented: `ancient-changes`, into which a server merges the oldest of more than ten managers
that update; and the annotation of `kubectl apply`, which a server reads and writes for the manager
`kubectl`.
"""

from dataclasses import dataclass
from typing import Final

from fleetpatch.model.fields import Json
from fleetpatch.model.resource import Resource
from fleetpatch.rules.patching.merge_schema import Rule
from fleetpatch.rules.patching.structured import managers
from fleetpatch.rules.patching.structured.fieldsets import Field, FieldSet, field_step
from fleetpatch.rules.patching.structured.managers import Managed, Manager, Operation, OwnedFields
from fleetpatch.rules.patching.structured.ownership import (
    Changes,
    Owners,
    pruned,
    reconciled,
    reconciled_legacy,
)
from fleetpatch.rules.patching.structured.typed import fields_of, merged, mistakes
from fleetpatch.sandbox.apiserver import discovery, workloads
from fleetpatch.sandbox.apiserver.managed_fields.merge_rules import rule_of, rules_of
from fleetpatch.sandbox.apiserver.release import Release
from fleetpatch.sandbox.apiserver.store import StoredObject

_FIRST: Final = "before-first-apply"
_MANAGED: Final = "managedFields"
_STATUS: Final = field_step("status")
_IDENTITY: Final = (
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "clusterName",
    "generation",
    "managedFields",
    "resourceVersion",
)
_UNOWNED: Final = frozenset(
    {
        (field_step("apiVersion"),),
        (field_step("kind"),),
        (field_step("metadata"),),
        *((field_step("metadata"), field_step(name)) for name in _IDENTITY),
    }
)


@dataclass(frozen=True, slots=True)
class Writer:
    """The field manager of a write, and its time (RFC 3339)."""

    name: str
    time: str


@dataclass(frozen=True, slots=True)
class Tracker:
    """Tracks the owners of the objects of one kind."""

    release: Release
    resource: Resource

    @property
    def rule(self) -> Rule:
        """The rule by which an apply merges a whole object."""
        return rule_of(self.release, self.resource)

    def created(self, document: StoredObject, writer: Writer) -> Managed:
        """The owners of a new object: its writer owns all of it.

        An object with ambiguous list entries has no owners on an old server.
        """
        if self.is_ambiguous(document):
            return {}
        return self._updated(self._empty(), document, {}, writer)

    def updated(
        self, live: StoredObject, document: StoredObject, claimed: Json, writer: Writer
    ) -> StoredObject:
        """`document`, the new state of `live`, with its owners.

        `claimed` are the `managedFields` in the request's result. One empty entry clears them, and
        so does an empty list for a built-in kind. If they cannot be decoded, those of `live` stay.
        """
        # `[{}]` is the documented way to clear managedFields.
        if claimed == [{}] or (claimed == [] and not discovery.is_custom(self.resource)):
            return document
        managed = self._claimed(claimed) or self._decoded(live["metadata"].get(_MANAGED))
        if not managed or self.is_ambiguous(document):
            return document
        return with_owners(document, self._updated(without_owners(live), document, managed, writer))

    def applied(
        self,
        live: StoredObject | None,
        configuration: StoredObject,
        writer: Writer,
        *,
        force: bool,
    ) -> tuple[StoredObject, Managed]:
        """The object after an apply, and its owners; `live` is None if there is no object yet.

        The result must still be decoded: it may have null instead of a map. Raises ConflictError.
        """
        rule, legacy = self.rule, self._legacy
        me = Manager(writer.name, Operation.APPLY, self.resource.api_version)
        kept = live["metadata"].get(_MANAGED) if live else None
        before = self._empty() if live is None else without_owners(live)
        managed = self._decoded(kept)
        if not managed:
            managed = self.created(before, Writer(_FIRST, writer.time))
        owners = self._reconciled(managed, before)
        # The fields of the last apply are needed to find those that are left out now.
        last = owners.get(me, frozenset())
        owners[me] = frozenset(fields_of(configuration, rule, empty=not legacy))
        still_owned = frozenset[Field]().union(*owners.values())
        combined = merged(before, configuration, rule, as_configured=not legacy)
        after = pruned(combined, last, still_owned, rule, legacy=legacy)
        # Only other owners can conflict, or lose fields.
        mine = self._trackable(owners.pop(me))
        changes = self._changes(before, after)
        if not force:
            changes.check(owners)
        owners = _without_empty({**changes.still_owned(owners), me: mine})
        # An apply without any effect does not change the time, and so not the object's version.
        # Current servers also leave out the time of a new owner if the object stays as it is.
        moved = {me} if changes or (legacy and owners != _fields(managed)) else set()
        return after, _timed(owners, managed, moved, writer.time)

    def is_ambiguous(self, document: StoredObject) -> bool:
        """Whether lists of the object have duplicate entries, so that it has no owners.

        Current servers track such objects (structured-merge-diff 4.4): all equal entries are one.
        """
        return self._legacy and any(mistakes(document, self.rule))

    @property
    def _legacy(self) -> bool:
        return rules_of(self.release, self.resource).legacy

    def _updated(
        self, live: StoredObject, document: StoredObject, managed: Managed, writer: Writer
    ) -> Managed:
        """The owners after an update."""
        me = Manager(writer.name, Operation.UPDATE, self.resource.api_version)
        changes = self._changes(live, document)
        owners = changes.still_owned(self._reconciled(managed, live))
        taken = self._trackable(changes.changed)
        if taken:
            owners[me] = owners.get(me, frozenset()) | taken
        former = managed[me].fields if me in managed else None
        moved = {me} if taken and owners[me] != former else set()
        return _timed(_without_empty(owners), managed, moved, writer.time)

    def _changes(self, old: StoredObject, new: StoredObject) -> Changes:
        changes = Changes.between(old, new, self.rule)
        if self.release.tracks_status:
            return changes
        return Changes(_without_status(changes.changed), _without_status(changes.removed))

    def _trackable(self, fields: FieldSet) -> FieldSet:
        """`fields` without those that belong to no manager.

        These are the identity of an object, and what the server sets.
        """
        fields -= _UNOWNED
        return fields if self.release.tracks_status else _without_status(fields)

    def _reconciled(self, managed: Managed, live: StoredObject) -> Owners:
        if self._legacy:
            return reconciled_legacy(_fields(managed), live, self.rule)
        return reconciled(_fields(managed), self.rule)

    def _decoded(self, entries: Json) -> Managed:
        return managers.decoded(entries, self.resource.api_version)

    def _claimed(self, entries: Json) -> Managed:
        try:
            return self._decoded(entries)
        except (ValueError, KeyError):
            return {}

    def _empty(self) -> StoredObject:
        """The fields that a built-in type has even if nothing is set (Go: without `omitempty`)."""
        match self.resource:
            case discovery.BATCH_JOBS:
                pod = {"metadata": self.release.zero_time, "spec": {"containers": None}}
                return {"metadata": {}, "spec": {"template": pod}, "status": {}}
            case resource if resource in workloads.KINDS:
                return workloads.empty(self.release, resource)
            case discovery.PODS:
                return {"metadata": {}, "spec": {"containers": None}, "status": {}}
            case discovery.LEASES:
                return {"metadata": {}, "spec": {}}
            case discovery.NAMESPACES:
                return {"metadata": {}, "spec": {}, "status": {}}
            case _:
                return {}


def with_owners(document: StoredObject, managed: Managed) -> StoredObject:
    """The object with `managedFields`, if it has owners."""
    if not managed:
        return document
    entries = managers.encoded(managed)
    return {**document, "metadata": {**document["metadata"], _MANAGED: entries}}


def without_owners(document: StoredObject) -> StoredObject:
    """The object without `managedFields`."""
    metadata = document["metadata"]
    if _MANAGED not in metadata:
        return document
    kept = {key: value for key, value in metadata.items() if key != _MANAGED}
    return {**document, "metadata": kept}


def _without_status(fields: FieldSet) -> FieldSet:
    return frozenset(field for field in fields if field[0] != _STATUS)


def _timed(owners: Owners, managed: Managed, moved: set[Manager], now: str) -> Managed:
    return {
        manager: OwnedFields(fields, now if manager in moved else _time(managed.get(manager)))
        for manager, fields in owners.items()
    }


def _time(owned: OwnedFields | None) -> str | None:
    return owned.time if owned else None


def _fields(managed: Managed) -> Owners:
    return {manager: owned.fields for manager, owned in managed.items()}


def _without_empty(owners: Owners) -> Owners:
    return {manager: fields for manager, fields in owners.items() if fields}
