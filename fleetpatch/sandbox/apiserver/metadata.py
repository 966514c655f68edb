"""ObjectMeta: decoding and validation, as in kube-apiserver.

Decoding comes first and fails as a whole. It drops unknown fields and empty values, as the real
server does. Validation then reports all causes. Here only the type of `managedFields` is checked;
`fleetpatch.sandbox.apiserver.managed_fields` decodes them.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec.structs import fields

from fleetpatch.model.equality import is_among
from fleetpatch.model.fields import Json
from fleetpatch.model.names import (
    MAX_ANNOTATIONS,
    problem_of_annotation_key,
    problem_of_annotations,
    problem_of_dns_subdomain,
    problem_of_label_key,
    problem_of_label_value,
)
from fleetpatch.sandbox.apiserver.statuses import Cause

_KEY_RULE: Final = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end"
    " with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for"
    " validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_VALUE_RULE: Final = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.',"
    " and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or"
    " '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_NAME_RULE: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or"
    " '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used"
    " for validation is"
    " '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_IMMUTABLE: Final = "field is immutable"


class _OwnerReference(msgspec.Struct, rename="camel", omit_defaults=True):
    """The fields and types of OwnerReference."""

    api_version: str | None = None
    kind: str | None = None
    name: str | None = None
    uid: str | None = None
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class _ObjectMeta(msgspec.Struct, rename="camel", omit_defaults=True):
    """The fields and types of ObjectMeta."""

    name: str | None = None
    generate_name: str | None = None
    namespace: str | None = None
    uid: str | None = None
    resource_version: str | None = None
    generation: int | None = None
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str | None] | None = None
    annotations: dict[str, str | None] | None = None
    owner_references: list[_OwnerReference] | None = None
    finalizers: list[str] | None = None
    managed_fields: list[dict[str, Any]] | None = None


FIELDS: Final = frozenset(
    {*(field.encode_name for field in fields(_ObjectMeta)), "clusterName", "selfLink"}
)
"""The names of all fields of ObjectMeta."""


def decoded(metadata: Json) -> dict[str, Any]:
    """Decode ObjectMeta: drop unknown fields, empty values and `managedFields`.

    Raises ValueError if a field has a wrong type.
    """
    if metadata is None:
        return {}
    # The conversion checks the types and drops unknown fields.
    known = msgspec.to_builtins(msgspec.convert(metadata, _ObjectMeta))
    known.pop("managedFields", None)
    return {key: _without_nulls(value) for key, value in known.items() if value}


def with_owners_once(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """`metadata` without repeated ownerReferences; only equal ones are repetitions."""
    owners: list[Json] = []
    for owner in metadata.get("ownerReferences", ()):
        if not is_among(owner, owners):
            owners.append(owner)
    return {**metadata, "ownerReferences": owners} if owners else dict(metadata)


def _without_nulls(value: Json) -> Json:
    """Replace the nulls of a map by empty strings, as Go's encoding/json decodes them."""
    if isinstance(value, dict) and None in value.values():
        return {key: entry or "" for key, entry in value.items()}
    return value


def problems(metadata: Mapping[str, Any], *, custom: bool) -> Iterator[Cause]:
    """Yield what is not valid in metadata; `custom` resources may have any finalizers."""
    name = metadata.get("name")
    if not name:
        why = "Required value: name or generateName is required"
        yield Cause("metadata.name", why, "FieldValueRequired")
    elif problem_of_dns_subdomain(name):
        yield Cause("metadata.name", _invalid(name, _NAME_RULE))
    yield from map_problems(metadata, "metadata")
    for index, finalizer in enumerate(metadata.get("finalizers") or ()):
        if problem_of_label_key(finalizer):
            yield Cause("metadata.finalizers", _invalid(finalizer, _KEY_RULE))
        # The sandbox does not support the standard finalizers of built-in kinds, such as
        # `foregroundDeletion`.
        if not custom and "/" not in finalizer:
            why = "name is neither a standard finalizer name nor is it fully qualified"
            yield Cause(f"metadata.finalizers[{index}]", _invalid(finalizer, why))
    yield from _owner_problems(metadata.get("ownerReferences") or ())


def map_problems(metadata: Mapping[str, Any], path: str) -> Iterator[Cause]:
    """Yield what is not valid in labels and annotations; `path` is their parent.

    For the metadata of a pod template, a server names the template as their parent.
    """
    for key, value in (metadata.get("labels") or {}).items():
        if problem_of_label_key(key):
            yield Cause(f"{path}.labels", _invalid(key, _KEY_RULE))
        if problem_of_label_value(value):
            yield Cause(f"{path}.labels", _invalid(value, _VALUE_RULE))
    annotations = metadata.get("annotations") or {}
    for key in annotations:
        if problem_of_annotation_key(key):
            yield Cause(f"{path}.annotations", _invalid(key, _KEY_RULE))
    if problem_of_annotations(annotations):
        why = f"Too long: must have at most {MAX_ANNOTATIONS} bytes"
        yield Cause(f"{path}.annotations", why, "FieldValueTooLong")


def change_problems(new: Mapping[str, Any], old: Mapping[str, Any]) -> Iterator[Cause]:
    """Yield changes of immutable metadata."""
    # Name, namespace and version are compared with the path and the stored object (`objects`).
    for field in ("uid", "deletionTimestamp", "deletionGracePeriodSeconds"):
        if new.get(field) != old.get(field):
            yield Cause(f"metadata.{field}", _invalid(new.get(field), _IMMUTABLE))


def _owner_problems(owners: Sequence[Mapping[str, Any]]) -> Iterator[Cause]:
    for owner in owners:
        for field in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(field):
                why = f"{field} must not be empty"
                yield Cause(f"metadata.ownerReferences.{field}", _invalid("", why))
    # Only one controller may manage an object; others are owners for garbage collection.
    if sum(owner.get("controller", False) for owner in owners) > 1:
        why = "Only one reference can have Controller set to true"
        yield Cause("metadata.ownerReferences", f"Invalid value: {why}")


def _invalid(value: Json, why: str) -> str:
    shown = f'"{value}"' if isinstance(value, str) else value
    return f"Invalid value: {shown}: {why}"
