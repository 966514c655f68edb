"""Bodies of merge, JSON and strategic patches, read as a server reads them.

What they do to a document is in `fleetpatch.rules.merging` and `jsonpatch`. Server-side apply is no
function of the document alone: `fleetpatch.sandbox.managing`.
"""

from typing import Any, Final

import msgspec

from fleetpatch.model.fields import Json
from fleetpatch.rules.jsonpatch import InapplicableError, json_patched
from fleetpatch.rules.merging import merge_patched, strategic_patched
from fleetpatch.sandbox.statuses import bad_request, broken, rejected, undecodable

MERGE: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
STRATEGIC: Final = "application/strategic-merge-patch+json"
APPLY: Final = "application/apply-patch+yaml"

_TYPE: Final = ("apiVersion", "kind")
_GO_NAMES: Final = {bool: "bool", int: "number", float: "number", str: "string", list: "array"}


def patched(document: Json, content_type: str, body: bytes) -> Json:
    """Apply a patch of one of these types. Raises Refusal as the real server answers.

    The result is plain JSON: whether it still is an object of its kind is not looked at.
    """
    if content_type == MERGE:
        return merge_patched(document, _merge_body(body))
    if content_type == JSON_PATCH:
        try:
            return json_patched(document, _json_patch_body(body))
        except InapplicableError as error:
            raise rejected() from error
    try:
        return strategic_patched(document, _strategic_body(body))
    except InapplicableError as error:
        raise broken(str(error)) from error


def _merge_body(body: bytes) -> Json:
    try:
        patch = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise broken("Invalid JSON Patch") from error
    if isinstance(patch, list):
        raise undecodable(patch, "couldn't get version/kind; json parse error")
    if not isinstance(patch, dict):
        raise broken("Invalid JSON Patch")
    return patch


def _json_patch_body(body: bytes) -> list[dict[str, Any]]:
    try:
        patch = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise bad_request("unexpected end of JSON input") from error
    if patch is None:
        return []
    if not isinstance(patch, list):
        raise bad_request(_unmarshal(patch, "jsonpatch.Patch"))
    for operation in patch:
        if not isinstance(operation, dict | None):
            raise bad_request(_unmarshal(operation, "jsonpatch.Operation"))
    return [operation or {} for operation in patch]


def _strategic_body(body: bytes) -> Json:
    try:
        patch = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise bad_request("unexpected EOF" if body else "EOF") from error
    if not isinstance(patch, dict | None):
        raise bad_request(_unmarshal(patch, "map[string]interface {}"))
    # The type is known from the path, and what the patch says about it is not looked at.
    return {key: value for key, value in (patch or {}).items() if key not in _TYPE}


def _unmarshal(value: Json, wanted: str) -> str:
    """The words of Go's encoding/json."""
    found = _GO_NAMES.get(type(value), "object")
    return f"json: cannot unmarshal {found} into Go value of type {wanted}"
