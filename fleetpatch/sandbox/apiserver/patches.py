"""Decode the bodies of merge, JSON and strategic patches, with the errors of a real server.

`fleetpatch.rules.patching` applies them to a document. A server-side apply also needs the owners of
fields; it is in `fleetpatch.sandbox.apiserver.managed_fields`.
"""

from typing import Any, Final

import msgspec

from fleetpatch.model.fields import Json
from fleetpatch.rules.patching.json_patch import InapplicableError, json_patched
from fleetpatch.rules.patching.merge_patch import merge_patched
from fleetpatch.rules.patching.merge_rules import MergeRules
from fleetpatch.rules.patching.strategic_patch import DirectiveError, strategic_patched
from fleetpatch.sandbox.apiserver.decoding import copied, decoded, spelled, stored, unspelled
from fleetpatch.sandbox.apiserver.release import Release
from fleetpatch.sandbox.apiserver.statuses import (
    bad_request,
    internal_error,
    rejected,
    too_large,
    undecodable,
)

MERGE: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
STRATEGIC: Final = "application/strategic-merge-patch+json"
APPLY: Final = "application/apply-patch+yaml"

_MAX_OPERATIONS: Final = 10_000
_VALUE: Final = "value"
_TEXTS: Final = ("op", "path", "from")
_OBJECT: Final = "map[string]interface {}"
_TYPE: Final = ("apiVersion", "kind")
_GO_NAMES: Final = {bool: "bool", int: "number", float: "number", str: "string", list: "array"}


def patched(
    document: Json, content_type: str, body: bytes, rules: MergeRules, release: Release
) -> Json:
    """Apply a patch of one of these types. Raises Refusal, as the real server answers.

    The result is plain JSON; whether it is still an object of its kind is not checked.
    """
    if content_type == MERGE:
        read = _merge_body if release.refuses_bodies_alike else _legacy_merge_body
        keeps = rules.keeps_null_entries
        return merge_patched(document, read(body), keeps_null_entries=keeps)
    if content_type == JSON_PATCH:
        operations = _json_patch_body(body)
        if release.checks_operations:
            _check_operations(operations)
        return _json_patched(document, operations)
    try:
        return strategic_patched(document, _strategic_body(body), rules)
    except DirectiveError as error:
        raise bad_request(str(error)) from error
    except InapplicableError as error:
        raise internal_error(str(error)) from error


def _json_patched(document: Json, operations: list[dict[str, Any]]) -> Json:
    try:
        return unspelled(json_patched(document, operations, copied))
    except InapplicableError as error:
        raise rejected() from error
    except msgspec.DecodeError as error:
        raise undecodable(operations, str(error)) from error


def _check_operations(operations: list[dict[str, Any]]) -> None:
    """Check the types of the members, and that each number can be stored. Raises Refusal (400)."""
    for number, operation in enumerate(operations):
        for member in _TEXTS:
            if not isinstance(operation.get(member), str | None):
                why = _unmarshal(operation[member], f"string: [{number}].{member}")
                raise bad_request(f"error decoding patch: {why}")
    try:
        unspelled([operation.get(_VALUE) for operation in operations])
    except msgspec.DecodeError as error:
        raise bad_request(f"error decoding patch: {error}") from error


def _merge_body(body: bytes) -> Json:
    try:
        patch = decoded(body)
    except msgspec.DecodeError as error:
        raise bad_request(f"error decoding patch: {error}") from error
    if not isinstance(patch, dict):
        raise bad_request(f"error decoding patch: {_unmarshal(patch, _OBJECT)}")
    return patch


def _legacy_merge_body(body: bytes) -> Json:
    try:
        patch = decoded(body)
    except msgspec.ValidationError as error:
        if not body.lstrip().startswith((b"{", b"[")):
            raise internal_error("Invalid JSON Patch") from error
        raise undecodable(body.decode(errors="replace"), str(error)) from error
    except msgspec.DecodeError as error:
        raise internal_error("Invalid JSON Patch") from error
    if isinstance(patch, list):
        raise undecodable(patch, "couldn't get version/kind; json parse error")
    if not isinstance(patch, dict):
        # The text is the real server's, for a merge patch as well.
        raise internal_error("Invalid JSON Patch")
    return patch


def _json_patch_body(body: bytes) -> list[dict[str, Any]]:
    try:
        patch = spelled(decoded(body, msgspec.Raw))
    except msgspec.DecodeError as error:
        raise bad_request("unexpected end of JSON input") from error
    if patch is None:
        return []
    if not isinstance(patch, list):
        raise bad_request(_unmarshal(patch, "jsonpatch.Patch"))
    # Go decodes null as an operation without members.
    for operation in patch:
        if not isinstance(operation, dict | None):
            raise bad_request(_unmarshal(operation, "jsonpatch.Operation"))
    if len(patch) > _MAX_OPERATIONS:
        raise too_large(
            f"The allowed maximum operations in a JSON patch is {_MAX_OPERATIONS}, got {len(patch)}"
        )
    return [_operation(operation or {}) for operation in patch]


def _operation(operation: dict[str, Json]) -> dict[str, Json]:
    """Decode all members of an operation except its value, which keeps its spelling."""
    return {key: value if key == _VALUE else _decoded(value) for key, value in operation.items()}


def _decoded(value: Json) -> Json:
    try:
        return unspelled(value)
    except msgspec.DecodeError:
        return value


def _strategic_body(body: bytes) -> Json:
    try:
        patch = stored(decoded(body))
    except msgspec.DecodeError as error:
        raise bad_request("unexpected EOF" if body else "EOF") from error
    if not isinstance(patch, dict | None):
        raise bad_request(_unmarshal(patch, _OBJECT))
    # The kind is known from the path; the server ignores what the patch says about it.
    return {key: value for key, value in (patch or {}).items() if key not in _TYPE}


def _unmarshal(value: Json, wanted: str) -> str:
    """The error of Go's encoding/json for a value of a wrong type."""
    found = _GO_NAMES.get(type(value), "object")
    return f"json: cannot unmarshal {found} into Go value of type {wanted}"
