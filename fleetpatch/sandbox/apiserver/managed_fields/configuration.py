"""The body of a server-side apply: read as a server reads it, and refused in its words.

YAML is read in version 1.1, as Go's reader does, where `no` is a boolean. Fields that the schema
does not have are refused as far down as the sandbox knows it: the object, its metadata, and the
spec of a batch Job and of its pods, not the insides of containers and volumes.
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
from fleetpatch.sandbox.apiserver import discovery, jobs, lease, metadata
from fleetpatch.sandbox.apiserver.decoding import decoded_as_yaml
from fleetpatch.sandbox.apiserver.managed_fields.merge_rules import rule_of
from fleetpatch.sandbox.apiserver.statuses import bad_request, broken
from fleetpatch.sandbox.apiserver.store import StoredObject

_FIELDS: Final = frozenset({"apiVersion", "kind", "metadata", "spec", "status"})


def decoded(resource: Resource, body: bytes) -> StoredObject:
    """The configuration that an apply sends. Raises Refusal (400; 500 for what does not fit)."""
    document = _document(body)
    version = document.get("apiVersion") or ""
    if version != resource.api_version:
        raise bad_request(
            "Incorrect version specified in apply patch. Specified patch version:"
            f" {version}, expected: {resource.api_version}"
        )
    own = document.get("metadata")
    if isinstance(own, dict) and own.get("managedFields") is not None:
        raise bad_request("metadata.managedFields must be nil")
    try:
        _check(resource, document)
    except ValueError as error:
        raise broken(f"failed to create typed patch object: {error}") from error
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
    """JSON, which is what most clients send, or else YAML, of which it is a part.

    Raises YAMLError, and ValueError for what JSON does not have: infinity, half a character.
    """
    try:
        return decoded_as_yaml(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    yaml = YAML(typ="safe", pure=True)
    yaml.version = (1, 1)
    yaml.allow_duplicate_keys = True
    with warnings.catch_warnings(action="ignore", category=MantissaNoDotYAML1_1Warning):
        first = next(iter(yaml.load_all(io.BytesIO(body))), None)
    document: Json = msgspec.to_builtins(first, str_keys=True)
    encode(document)
    return document


def _check(resource: Resource, document: dict[str, Any]) -> None:
    """Check names and types of the fields. Raises ValueError."""
    if document.get("kind") != resource.kind:
        version, kind = resource.api_version, document.get("kind") or ""
        raise ValueError(f"no corresponding type for {version}, Kind={kind}")
    own, spec = document.get("metadata"), document.get("spec")
    _check_names(document, _FIELDS, ())
    metadata.decoded(own)
    _check_names(own or {}, metadata.FIELDS, ("metadata",))
    if discovery.is_custom(resource):
        if not isinstance(spec, dict | None):
            raise ValueError(f".spec: expected map, got &{{{spec}}}")
    elif resource == discovery.BATCH_JOBS:
        jobs.decoded(spec)
        for path in jobs.foreign_fields(spec or {}):
            raise ValueError(f"{_shown(path)}: field not declared in schema")
    else:
        lease.decoded(spec)
    for mistake in mistakes(document, rule_of(resource)):
        raise ValueError(mistake)


def _check_names(found: Iterable[str], known: frozenset[str], above: tuple[str, ...]) -> None:
    for name in found:
        if name not in known:
            raise ValueError(f"{_shown((*above, name))}: field not declared in schema")


def _shown(path: Iterable[str]) -> str:
    return shown(tuple(map(field_step, path)))
