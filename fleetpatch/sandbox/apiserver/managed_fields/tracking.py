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

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fleetpatch.model.fields import Json
from fleetpatch.model.resource import Resource
from fleetpatch.rules.patching.structured import managers
from fleetpatch.rules.patching.structured.fieldsets import Field, field_step
from fleetpatch.rules.patching.structured.managers import Managed, Manager, Operation, OwnedFields
from fleetpatch.rules.patching.structured.ownership import (
    Changes,
    Owners,
    pruned,
    reconciled_legacy,
)
from fleetpatch.rules.patching.structured.typed import fields_of, merged, mistakes
from fleetpatch.sandbox.apiserver import discovery
from fleetpatch.sandbox.apiserver.managed_fields.merge_rules import rule_of
from fleetpatch.sandbox.apiserver.store import StoredObject

_FIRST: Final = "before-first-apply"
_MANAGED: Final = "managedFields"
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
_NO_TIME: Final = {"creationTimestamp": None}
_POD: Final = {"metadata": _NO_TIME, "spec": {"containers": None}}
_EMPTY: Final[Mapping[Resource, StoredObject]] = {
    discovery.BATCH_JOBS: {"metadata": {}, "spec": {"template": _POD}, "status": {}},
    discovery.CRON_JOBS: {
        "metadata": {},
        "spec": {"jobTemplate": {"metadata": _NO_TIME, "spec": {"template": _POD}}},
        "status": {},
    },
    discovery.PODS: {"metadata": {}, "spec": {"containers": None}, "status": {}},
    discovery.LEASES: {"metadata": {}, "spec": {}},
    discovery.NAMESPACES: {"metadata": {}, "spec": {}, "status": {}},
}
"""The fields that a built-in type has even if nothing is set (Go structs without `omitempty`)."""


@dataclass(frozen=True, slots=True)
class Writer:
    """The field manager of a write, and its time (RFC 3339)."""

    name: str
    time: str


def created(resource: Resource, document: StoredObject, writer: Writer) -> Managed:
    """The owners of a new object: its writer owns all of it.

    An object with ambiguous list entries has no owners.
    """
    if is_ambiguous(resource, document):
        return {}
    return _updated(resource, _EMPTY.get(resource, {}), document, {}, writer)


def updated(
    resource: Resource, live: StoredObject, document: StoredObject, claimed: Json, writer: Writer
) -> StoredObject:
    """`document`, the new state of `live`, with its owners.

    `claimed` are the `managedFields` in the request's result. One empty entry clears them, and so
    does an empty list for a built-in kind. If they cannot be decoded, those of `live` stay.
    """
    # `[{}]` is the documented way to clear managedFields.
    if claimed == [{}] or (claimed == [] and not discovery.is_custom(resource)):
        return document
    try:
        managed = managers.decoded(claimed, resource.api_version)
    except (ValueError, KeyError):
        managed = {}
    managed = managed or managers.decoded(live["metadata"].get(_MANAGED), resource.api_version)
    if not managed or is_ambiguous(resource, document):
        return document
    live = without_owners(live)
    return with_owners(document, _updated(resource, live, document, managed, writer))


def applied(
    resource: Resource,
    live: StoredObject | None,
    configuration: StoredObject,
    writer: Writer,
    *,
    force: bool,
) -> tuple[StoredObject, Managed]:
    """The object after an apply, and its owners; `live` is None if there is no object yet.

    The result must still be decoded: it may have null instead of a map. Raises ConflictError.
    """
    rule, me = rule_of(resource), Manager(writer.name, Operation.APPLY, resource.api_version)
    kept = live["metadata"].get(_MANAGED) if live else None
    before = _EMPTY.get(resource, {}) if live is None else without_owners(live)
    managed = managers.decoded(kept, resource.api_version)
    if not managed:
        first = Writer(_FIRST, writer.time)
        managed = created(resource, before, first)
    owners = reconciled_legacy(_fields(managed), before, rule)
    # The fields of the last apply are needed to find those that are left out now.
    last, owners[me] = owners.get(me, frozenset()), frozenset(fields_of(configuration, rule))
    still_owned = frozenset[Field]().union(*owners.values())
    after = pruned(merged(before, configuration, rule), last, still_owned, rule)
    changes = Changes.between(before, after, rule)
    # Only other owners can conflict, or lose fields.
    mine = owners.pop(me) - _UNOWNED
    if not force:
        changes.check(owners)
    owners = _without_empty({**changes.still_owned(owners), me: mine})
    # An apply without any effect does not change the time, and so not the object's version.
    moved = {me} if changes or owners != _fields(managed) else set()
    return after, _timed(owners, managed, moved, writer.time)


def is_ambiguous(resource: Resource, document: StoredObject) -> bool:
    """Whether lists of the object have duplicate entries: then its owners cannot be tracked."""
    return any(mistakes(document, rule_of(resource)))


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


def _updated(
    resource: Resource, live: StoredObject, document: StoredObject, managed: Managed, writer: Writer
) -> Managed:
    """The owners after an update."""
    rule, me = rule_of(resource), Manager(writer.name, Operation.UPDATE, resource.api_version)
    changes = Changes.between(live, document, rule)
    owners = changes.still_owned(reconciled_legacy(_fields(managed), live, rule))
    # The identity of an object, and what the server sets, belong to no manager.
    taken = changes.changed - _UNOWNED
    if taken:
        owners[me] = owners.get(me, frozenset()) | taken
    former = managed[me].fields if me in managed else None
    moved = {me} if taken and owners[me] != former else set()
    return _timed(_without_empty(owners), managed, moved, writer.time)


def _timed(owners: Owners, managed: Managed, moved: set[Manager], now: str) -> Managed:
    return {
        manager: OwnedFields(fields, now if manager in moved else managed[manager].time)
        for manager, fields in owners.items()
    }


def _fields(managed: Managed) -> Owners:
    return {manager: owned.fields for manager, owned in managed.items()}


def _without_empty(owners: Owners) -> Owners:
    return {manager: fields for manager, fields in owners.items() if fields}
