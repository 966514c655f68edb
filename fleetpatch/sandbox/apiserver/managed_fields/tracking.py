"""What a write makes of the owners of an object's fields, and an apply of the object.

An object is tracked from its creation; one of the sample fleet, or one whose `managedFields` have
been cleared, is not, until somebody applies to it: then all that it holds belongs to
`before-first-apply`.

An *update* (PATCH of the other types, PUT, POST) takes over what it changes; it never conflicts.
An *apply* owns what its configuration names. A field that it would change, and that another manager
owns, is a conflict, unless it is forced; then the field is taken over. One that the same manager
applied before and leaves out now goes, unless another manager owns it, too. Equal values make joint
owners.

Left out: `ancient-changes`, in which a server merges the oldest of more than ten managers who
update; and the annotation of `kubectl apply`, which a server reads and writes for the manager
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
_NOBODYS: Final = frozenset(
    {
        (field_step("apiVersion"),),
        (field_step("kind"),),
        (field_step("metadata"),),
        *((field_step("metadata"), field_step(name)) for name in _IDENTITY),
    }
)
_POD: Final = {"metadata": {"creationTimestamp": None}, "spec": {"containers": None}}
_EMPTY: Final[Mapping[Resource, StoredObject]] = {
    discovery.BATCH_JOBS: {"metadata": {}, "spec": {"template": _POD}, "status": {}},
    discovery.LEASES: {"metadata": {}, "spec": {}},
    discovery.NAMESPACES: {"metadata": {}, "spec": {}, "status": {}},
}
"""What a built-in type holds even where nothing is set. A custom one holds nothing."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes, and when (RFC 3339)."""

    name: str
    time: str


def created(resource: Resource, document: StoredObject, writer: Writer) -> Managed:
    """The owners of a new object: all of it is its writer's, if its entries can be told apart."""
    if is_ambiguous(resource, document):
        return {}
    return _updated(resource, _EMPTY.get(resource, {}), document, {}, writer)


def updated(
    resource: Resource, live: StoredObject, document: StoredObject, claimed: Json, writer: Writer
) -> StoredObject:
    """`document`, the new state of `live`, with its owners.

    `claimed` are the `managedFields` that the request has, or left, in it: one empty entry clears
    them, and so does an empty list where the kind is built in. What cannot be read leaves those of
    `live`.
    """
    if claimed == [{}] or (claimed == [] and not discovery.is_custom(resource)):
        return document
    try:
        managed = managers.decoded(claimed, resource.api_version)
    except (ValueError, KeyError):
        managed = {}
    managed = managed or managers.decoded(live["metadata"].get(_MANAGED), resource.api_version)
    if not managed or is_ambiguous(resource, document):
        return document
    return owned(document, _updated(resource, bare(live), document, managed, writer))


def applied(
    resource: Resource,
    live: StoredObject | None,
    configuration: StoredObject,
    writer: Writer,
    *,
    force: bool,
) -> tuple[StoredObject, Managed]:
    """The object after an apply, and its owners; `live` is None where there is none yet.

    It is not decoded yet: nulls may stand where a map was. Raises ConflictError.
    """
    rule, me = rule_of(resource), Manager(writer.name, Operation.APPLY, resource.api_version)
    kept = live["metadata"].get(_MANAGED) if live else None
    before = _EMPTY.get(resource, {}) if live is None else bare(live)
    managed = managers.decoded(kept, resource.api_version)
    if not managed:
        first = Writer(_FIRST, writer.time)
        managed = created(resource, before, first)
    owners = reconciled_legacy(_fields(managed), before, rule)
    last, owners[me] = owners.get(me, frozenset()), frozenset(fields_of(configuration, rule))
    everybodys = frozenset[Field]().union(*owners.values())
    after = pruned(merged(before, configuration, rule), last, everybodys, rule)
    changes = Changes.between(before, after, rule)
    mine = owners.pop(me) - _NOBODYS
    if not force:
        changes.check(owners)
    owners = _without_empty({**changes.still_owned(owners), me: mine})
    moved = {me} if changes or owners != _fields(managed) else set()
    return after, _timed(owners, managed, moved, writer.time)


def is_ambiguous(resource: Resource, document: StoredObject) -> bool:
    """Tell whether entries of its lists are there twice: nobody owns anything in it then."""
    return any(mistakes(document, rule_of(resource)))


def owned(document: StoredObject, managed: Managed) -> StoredObject:
    """The object with its owners, if there are any."""
    if not managed:
        return document
    entries = managers.encoded(managed)
    return {**document, "metadata": {**document["metadata"], _MANAGED: entries}}


def bare(document: StoredObject) -> StoredObject:
    """The object without its owners."""
    metadata = document["metadata"]
    if _MANAGED not in metadata:
        return document
    kept = {key: value for key, value in metadata.items() if key != _MANAGED}
    return {**document, "metadata": kept}


def _updated(
    resource: Resource, live: StoredObject, document: StoredObject, managed: Managed, writer: Writer
) -> Managed:
    """The owners after an update of a tracked object, or of one that is to be tracked."""
    rule, me = rule_of(resource), Manager(writer.name, Operation.UPDATE, resource.api_version)
    changes = Changes.between(live, document, rule)
    owners = changes.still_owned(reconciled_legacy(_fields(managed), live, rule))
    taken = changes.changed - _NOBODYS
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
    return {manager: holding.fields for manager, holding in managed.items()}


def _without_empty(owners: Owners) -> Owners:
    return {manager: fields for manager, fields in owners.items() if fields}
