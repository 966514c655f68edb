"""The body of a PATCH: the change, and a guard, so that the server refuses it for a changed object.

Bodies are written as a server writes the values that it stores (`fleetpatch.model.encoding`),
because a `test` of a JSON Patch compares texts.

The server answers 409 to a stale resourceVersion in a document, and 422 where a JSON Patch tests
it. It answers 422 to the uid of another object. A patch that carries the version cannot be applied
twice, even if it is sent twice.

A server-side apply would create an object that is gone. If the body has a uid, the server answers
409 instead, so an apply always carries the uid.
"""

from typing import Final

from fleetpatch.model.change import (
    BodyPatch,
    Change,
    MetadataChange,
    PatchOptions,
    PatchRequest,
    PatchType,
)
from fleetpatch.model.encoding import encode
from fleetpatch.model.fields import ABSENT, Fields, Json, Value
from fleetpatch.model.target import Target
from fleetpatch.rules.patching.computed import body_of_target

_DEFAULT_OPTIONS: Final = PatchOptions()


class RequestBuilder:
    """Builds the requests of one run.

    If all objects get the same labels and annotations, their bodies differ only in the guard, so
    the rest is encoded once.
    """

    def __init__(self, change: Change) -> None:
        self._change = change
        self._shared: Fields | None = None
        self._head = b""
        if isinstance(change, MetadataChange) and _are_shared(change):
            self._shared = change.values
            # `{"metadata":{"labels":{...}}}` without its last two braces: the guard is appended.
            self._head = encode(_document(change.values, {}))[:-2] + b","

    def build(
        self, target: Target, goal: Fields, version: str | None, options: PatchOptions
    ) -> PatchRequest:
        """Build the request that sets the fields of `target` to `goal`; see `request`."""
        # By identity: `planner.goal` returns the shared values themselves for most targets.
        if goal is not self._shared:
            return request(self._change, target, goal, version, options)
        guard = encode(_guard(target, version))
        return PatchRequest(PatchType.MERGE, self._head + guard[1:] + b"}", options)


def _are_shared(change: MetadataChange) -> bool:
    """Report whether all objects get the same values."""
    return bool(change.values) and not (change.varies or change.expressions)


def request(
    change: Change,
    target: Target,
    goal: Fields,
    version: str | None,
    options: PatchOptions = _DEFAULT_OPTIONS,
) -> PatchRequest:
    """Make the PATCH that sets the fields to `goal`; with `version` None, only the uid guards it.

    A BodyPatch is sent as written in the plan, with the target's values of its expressions. Any
    other change is sent as a merge patch that is made of `goal`.
    """
    if not isinstance(change, BodyPatch):
        document = _guarded(_document(goal, target.before), target, version)
        return PatchRequest(PatchType.MERGE, encode(document), options)
    body = encode(_body(body_of_target(change, target), target, version))
    return PatchRequest(change.type, body, options)


def _body(change: BodyPatch, target: Target, version: str | None) -> Json:
    # Each type carries its guard where the server evaluates it before anything is changed.
    match change.type:
        case PatchType.JSON:
            # The tests come first, so that nothing of the patch is carried out before them.
            tests = [{"op": "test", "path": "/metadata/uid", "value": target.uid}]
            if version is not None:
                tests.append({"op": "test", "path": "/metadata/resourceVersion", "value": version})
            return [*tests, *change.body]
        case PatchType.APPLY:
            return _configuration(change.body, target, version)
        case _:
            return _guarded(change.body, target, version)


def _configuration(body: Json, target: Target, version: str | None) -> Json:
    """The configuration to apply: `body`, with the identity that a server requires in an apply."""
    metadata = {
        **(body.get("metadata") or {}),
        "name": target.name,
        **({"namespace": target.namespace} if target.namespace else {}),
        "uid": target.uid,
        **({} if version is None else {"resourceVersion": version}),
    }
    # The body may override apiVersion and kind (another version), but not the identity.
    head = {"apiVersion": target.resource.api_version, "kind": target.resource.kind}
    return {**head, **body, "metadata": metadata}


def _document(goal: Fields, before: Fields) -> dict[str, Json]:
    """The merge patch that changes fields from `before` to `goal`."""
    document: dict[str, Json] = {}
    for path, value in goal.items():
        place = document
        for key in path[:-1]:
            place = place.setdefault(key, {})
        place[path[-1]] = _merge_value(before.get(path, ABSENT), value)
    return document


def _merge_value(before: Value, value: Value) -> Json:
    """The value that a merge patch needs to turn `before` into `value`."""
    if value is ABSENT:
        return None
    if not (isinstance(before, dict) and isinstance(value, dict)):
        return value
    kept = {key: _merge_value(before.get(key, ABSENT), one) for key, one in value.items()}
    # A merge keeps the entries of a map that the patch does not name, so null removes the others.
    return {**dict.fromkeys(before.keys() - value.keys()), **kept}


def _guarded(body: Json, target: Target, version: str | None) -> Json:
    return {**body, "metadata": {**(body.get("metadata") or {}), **_guard(target, version)}}


def _guard(target: Target, version: str | None) -> dict[str, Json]:
    # The version alone is enough: a recreated object never has an old one.
    return {"uid": target.uid} if version is None else {"resourceVersion": version}
