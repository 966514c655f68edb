"""The three patch types, pure: a document and a patch in, a new document out.

Nothing is changed in place, and whatever a patch does not touch is shared with the old document.
What real servers do beyond the RFCs (kube-apiserver uses evanphx/json-patch) is done here as well:
`replace` of a missing map entry adds it, `copy` of one gives null, `test` of one equals null, and
negative indices count from the end.

Server-side apply belongs to a later version and is answered with 415.
"""

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from fleetpatch.model.fields import Json
from fleetpatch.sandbox.statuses import bad_request, broken, rejected, undecodable

MERGE: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
STRATEGIC: Final = "application/strategic-merge-patch+json"
APPLY: Final = "application/apply-patch+yaml"

_INDEX: Final = re.compile(r"[+-]?[0-9]+")
_MERGE_KEY: Final = "name"
_TYPE: Final = ("apiVersion", "kind")
_GO_NAMES: Final = {bool: "bool", int: "number", float: "number", str: "string", list: "array"}
_MISSING: Final = object()


def patched(document: Json, content_type: str, body: bytes) -> Json:
    """Apply a patch of a type that `document` accepts. Raises Refusal as the real server answers.

    The result is plain JSON: whether it still is an object of its kind is not looked at.
    """
    if content_type == MERGE:
        return merge_patched(document, _merge_body(body))
    if content_type == JSON_PATCH:
        return json_patched(document, _json_patch_body(body))
    return strategic_patched(document, _strategic_body(body))


def merge_patched(document: Json, patch: Json) -> Json:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(document) if isinstance(document, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patched(result.get(key), value)
    return result


def json_patched(document: Json, operations: list[dict[str, Any]]) -> Json:
    """RFC 6902. Raises Refusal (422, one for all causes) where an operation cannot be done."""
    for operation in operations:
        document = _operated(document, operation)
    return document


def strategic_patched(document: Json, patch: Json) -> Json:
    """Kubernetes' strategic merge: maps merge, `$patch` directs, lists of named entries merge.

    Lists of scalars are united, as `finalizers` are, which is the only one that jobs have in their
    metadata. Other merge keys than `name` are not known here. What is not there yet is taken as it
    stands, so a null in it stays: the real server, too, makes an empty label of it.
    """
    if isinstance(patch, list):
        return _merged_list(document if isinstance(document, list) else [], patch)
    if not isinstance(patch, dict):
        return patch
    directive = patch.get("$patch")
    rest = {key: value for key, value in patch.items() if key != "$patch"}
    if directive == "delete":
        return {}
    result = dict(document) if isinstance(document, dict) and directive != "replace" else {}
    for key, value in rest.items():
        if value is None:
            result.pop(key, None)
        elif key in result:
            result[key] = strategic_patched(result[key], value)
        else:
            result[key] = value
    return result


def _merged_list(current: list[Json], patch: list[Json]) -> list[Json]:
    if not all(isinstance(entry, dict) and _MERGE_KEY in entry for entry in patch):
        return [*patch, *(entry for entry in current if entry not in patch)]
    result = {entry.get(_MERGE_KEY): entry for entry in current}
    for entry in patch:
        name = entry[_MERGE_KEY]
        if entry.get("$patch") == "delete":
            result.pop(name, None)
        else:
            result[name] = strategic_patched(result.get(name), entry)
    return list(result.values())


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


def _operated(document: Json, operation: dict[str, Any]) -> Json:
    path = _steps(operation.get("path"))
    match operation.get("op"):
        case "add":
            return _edited(document, path, _adder(operation.get("value")))
        case "replace":
            return _edited(document, path, _replacer(operation.get("value")))
        case "remove":
            return _edited(document, path, _removed)
        case "test":
            _test(_value_at(document, path), operation.get("value", _MISSING))
            return document
        case "copy":
            value = _value_at(document, _steps(operation.get("from")))
            return _edited(document, path, _adder(value))
        case "move":
            source = _steps(operation.get("from"))
            value = _value_at(document, source)
            return _edited(_edited(document, source, _removed), path, _adder(value))
        case _:
            raise rejected()


def _steps(path: Json) -> list[str]:
    """The reference tokens of a JSON Pointer; what precedes the first `/` is ignored."""
    if not isinstance(path, str) or "/" not in path:
        raise rejected()
    return [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]


def _edited(node: Json, path: list[str], edit: Callable[[Json, str], Json]) -> Json:
    """`node` with the container of `path` edited; every container on the way is a new one."""
    if not isinstance(node, dict | list):
        raise rejected()
    step, *rest = path
    if not rest:
        return edit(node, step)
    child = _edited(_child(node, step), rest, edit)
    if isinstance(node, dict):
        return {**node, step: child}
    index = _index(step, len(node))
    return [*node[:index], child, *node[index + 1 :]]


def _value_at(node: Json, path: list[str]) -> Json:
    for step in path:
        if not isinstance(node, dict | list):
            raise rejected()
        node = _child(node, step)
    return node


def _child(node: Json, step: str) -> Json:
    """An entry of a container; a missing one of a map is null."""
    if isinstance(node, dict):
        return node.get(step)
    return node[_index(step, len(node))]


def _adder(value: Json) -> Callable[[Json, str], Json]:
    def add(node: Json, step: str) -> Json:
        if isinstance(node, dict):
            return {**node, step: value}
        index = len(node) if step == "-" else _index(step, len(node) + 1)
        return [*node[:index], value, *node[index:]]

    return add


def _replacer(value: Json) -> Callable[[Json, str], Json]:
    def replace(node: Json, step: str) -> Json:
        if isinstance(node, dict):
            return {**node, step: value}
        index = _index(step, len(node))
        return [*node[:index], value, *node[index + 1 :]]

    return replace


def _removed(node: Json, step: str) -> Json:
    if isinstance(node, dict):
        if step not in node:
            raise rejected()
        return {key: value for key, value in node.items() if key != step}
    index = _index(step, len(node))
    return [*node[:index], *node[index + 1 :]]


def _index(step: str, length: int) -> int:
    index = int(step) if _INDEX.fullmatch(step) else length
    if not -length <= index < length:
        raise rejected()
    return index % length


def _test(current: Json, wanted: Json) -> None:
    if current != wanted:
        raise rejected()
