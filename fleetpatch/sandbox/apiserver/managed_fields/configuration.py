"""Decode the body of a server-side apply, with the errors of a real server.

YAML is read as version 1.1, as Go's reader does; there `no` is a boolean. Fields that the schema
does not have are refused, as far as the sandbox knows the schema: the object, its metadata, the
spec of a batch Job and of its pods, but not the fields of containers and volumes.
"""

import io
import warnings
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import MantissaNoDotYAML1_1Warning, YAMLError

from fleetpatch.model.encoding import encode
from fleetpatch.model.fields import Json
from fleetpatch.model.resource import Resource
from fleetpatch.rules.patching.structured.fieldsets import field_step, shown
from fleetpatch.rules.patching.structured.typed import mistakes
from fleetpatch.sandbox.apiserver import discovery, jobs, lease, metadata, workloads
from fleetpatch.sandbox.apiserver.decoding import decoded_as_yaml
from fleetpatch.sandbox.apiserver.managed_fields.merge_rules import rule_of
from fleetpatch.sandbox.apiserver.release import Release
from fleetpatch.sandbox.apiserver.statuses import bad_request, internal_error
from fleetpatch.sandbox.apiserver.store import StoredObject

_FIELDS: Final = frozenset({"apiVersion", "kind", "metadata", "status"})


def decoded(release: Release, resource: Resource, body: bytes) -> StoredObject:
    """Decode the configuration of an apply.

    Raises Refusal: 400 if it cannot be decoded, 500 if it does not fit the schema.
    """
    document = _document(body)
    version = document.get("apiVersion") or ""
    if version != resource.api_version:
        raise bad_request(
            "Incorrect version specified in apply patch. Specified patch version:"
            f" {version}, expected: {resource.api_version}"
        )
    own = document.get("metadata")
    # A client must not claim owners itself: only the server computes them for an apply.
    if isinstance(own, dict) and own.get("managedFields") is not None:
        raise bad_request("metadata.managedFields must be nil")
    try:
        _check(release, resource, document)
    except ValueError as error:
        raise internal_error(f"failed to create typed patch object: {error}") from error
    return document


def _document(body: bytes) -> StoredObject:
    try:
        document = _parsed(body)
    except (YAMLError, ValueError) as error:
        why = str(error).partition("\n")[0]
        raise bad_request(f"error decoding YAML: error converting YAML to JSON: {why}") from error
    if not isinstance(document, dict | None):
        raise bad_request(
            "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot"
            f" unmarshal {type(document).__name__} into Go value of type map[string]interface {{}}"
        )
    return document or {}


def _parsed(body: bytes) -> Json:
    """Parse YAML; most clients send JSON, which is YAML as well and is tried first for speed.

    Raises YAMLError, and ValueError for values that JSON lacks: infinity, half a surrogate pair.
    """
    try:
        return decoded_as_yaml(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    yaml = YAML(typ="safe", pure=True)
    yaml.version = (1, 1)
    yaml.allow_duplicate_keys = True  # as Go's reader does
    with warnings.catch_warnings(action="ignore", category=MantissaNoDotYAML1_1Warning):
        first = next(iter(yaml.load_all(io.BytesIO(body))), None)
    document: Json = msgspec.to_builtins(first, str_keys=True)
    encode(document)  # raises for values that JSON lacks
    return document


def _check(release: Release, resource: Resource, document: dict[str, Any]) -> None:
    """Check the names and types of the fields. Raises ValueError."""
    if document.get("kind") != resource.kind:
        version, kind = resource.api_version, document.get("kind") or ""
        if release.refuses_bodies_alike and discovery.is_custom(resource):
            raise bad_request(f"the kind in the data ({kind}) is not {resource.kind}")
        raise ValueError(f"no corresponding type for {version}, Kind={kind}")
    field = discovery.content_field(resource)
    own, spec = document.get("metadata"), document.get(field)
    _check_names(document, _FIELDS | {field}, ())
    metadata.decoded(own)
    _check_names(own or {}, metadata.FIELDS, ("metadata",))
    if discovery.is_custom(resource):
        if not isinstance(spec, dict | None):
            raise ValueError(f".spec: expected map, got &{{{spec}}}")
    elif resource == discovery.BATCH_JOBS:
        jobs.decoded(release, spec)
        for path in jobs.unknown_fields(release, spec or {}):
            raise ValueError(f"{_shown(path)}: field not declared in schema")
    elif resource in workloads.KINDS:
        workloads.decoded(release, resource, spec)
    elif resource == discovery.LEASES:
        lease.decoded(spec)
    for mistake in mistakes(document, rule_of(release, resource)):
        raise ValueError(mistake)


def _check_names(found: Iterable[str], known: frozenset[str], above: tuple[str, ...]) -> None:
    for name in found:
        if name not in known:
            raise ValueError(f"{_shown((*above, name))}: field not declared in schema")


def _shown(path: Iterable[str]) -> str:
    return shown(tuple(map(field_step, path)))
