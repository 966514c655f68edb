"""The body of a PATCH: what it asks for, and the guard that keeps it off a changed object.

Bodies are written as a server writes the values that it stores (`fleetpatch.model.encoding`): a
`test` of a JSON Patch compares the texts.

A stale resourceVersion is answered 409 where it stands in a document, and 422 where a JSON Patch
tests it; another object's uid is answered 422. With the version in it, a patch that is sent twice
cannot be applied twice, whatever it does.

A server-side apply would make an object that is gone anew: with a uid in it, the server answers
409 instead. So it always carries the uid.
"""

from typing import Final

from fleetpatch.model.change import BodyPatch, Change, PatchOptions, PatchRequest, PatchType
from fleetpatch.model.encoding import encode
from fleetpatch.model.fields import ABSENT, Fields, Json, Value
from fleetpatch.model.target import Target

_AS_USUAL: Final = PatchOptions()


def request(
    change: Change,
    target: Target,
    goal: Fields,
    version: str | None,
    options: PatchOptions = _AS_USUAL,
) -> PatchRequest:
    """Make the request by which `goal` comes to hold; `version` None guards by the uid alone.

    A BodyPatch is sent as the plan has it. All else is a merge patch made of `goal`.
    """
    if not isinstance(change, BodyPatch):
        document = _guarded(_document(goal, target.before), target, version)
        return PatchRequest(PatchType.MERGE, encode(document), options)
    body = encode(_body(change, target, version))
    return PatchRequest(change.type, body, options)


def _body(change: BodyPatch, target: Target, version: str | None) -> Json:
    match change.type:
        case PatchType.JSON:
            tests = [{"op": "test", "path": "/metadata/uid", "value": target.uid}]
            if version is not None:
                tests.append({"op": "test", "path": "/metadata/resourceVersion", "value": version})
            return [*tests, *change.body]
        case PatchType.APPLY:
            return _configuration(change.body, target, version)
        case _:
            return _guarded(change.body, target, version)


def _configuration(body: Json, target: Target, version: str | None) -> Json:
    """What is applied: a whole object in its outline, which says itself what it is."""
    metadata = {
        **(body.get("metadata") or {}),
        "name": target.name,
        **({"namespace": target.namespace} if target.namespace else {}),
        "uid": target.uid,
        **({} if version is None else {"resourceVersion": version}),
    }
    head = {"apiVersion": target.resource.api_version, "kind": target.resource.kind}
    return {**head, **body, "metadata": metadata}


def _document(goal: Fields, before: Fields) -> dict[str, Json]:
    """The merge patch by which fields that hold `before` come to hold `goal`."""
    document: dict[str, Json] = {}
    for path, value in goal.items():
        place = document
        for key in path[:-1]:
            place = place.setdefault(key, {})
        place[path[-1]] = _merging(before.get(path, ABSENT), value)
    return document


def _merging(before: Value, value: Value) -> Json:
    """What must be merged into a value to make it another: of maps, the rest must be removed."""
    if value is ABSENT:
        return None
    if not (isinstance(before, dict) and isinstance(value, dict)):
        return value
    kept = {key: _merging(before.get(key, ABSENT), one) for key, one in value.items()}
    return {**dict.fromkeys(before.keys() - value.keys()), **kept}


def _guarded(body: Json, target: Target, version: str | None) -> Json:
    guard = {"uid": target.uid} if version is None else {"resourceVersion": version}
    return {**body, "metadata": {**(body.get("metadata") or {}), **guard}}
