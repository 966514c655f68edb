"""The body of a PATCH: what it asks for, and the guard that keeps it off a changed object.

A stale resourceVersion is answered 409 where it stands in a document, and 422 where a JSON Patch
tests it; another object's uid is answered 422. With the version in it, a patch that is sent twice
cannot be applied twice, whatever it does.
"""

import msgspec

from fleetpatch.model.change import BodyPatch, Change, PatchType, Request
from fleetpatch.model.fields import ABSENT, Fields, Json, Value
from fleetpatch.model.target import Target


def request(change: Change, target: Target, goal: Fields, version: str | None) -> Request:
    """Make the request by which `goal` comes to hold; `version` None guards by the uid alone.

    A BodyPatch is sent as the plan has it. All else is a merge patch made of `goal`.
    """
    if not isinstance(change, BodyPatch):
        document = _document(goal, target.before)
        return Request(PatchType.MERGE, _encode(_guarded(document, target, version)))
    if change.type is PatchType.JSON:
        tests = [{"op": "test", "path": "/metadata/uid", "value": target.uid}]
        if version is not None:
            tests.append({"op": "test", "path": "/metadata/resourceVersion", "value": version})
        return Request(change.type, _encode([*tests, *change.body]))
    return Request(change.type, _encode(_guarded(change.body, target, version)))


_encode = msgspec.json.Encoder().encode


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
