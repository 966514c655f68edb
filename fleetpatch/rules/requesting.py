"""The body of a PATCH: what it asks for, and the guard that keeps it off a changed object.

A stale resourceVersion is answered 409 where it stands in a document, and 422 where a JSON Patch
tests it; another object's uid is answered 422. With the version in it, a patch that is sent twice
cannot be applied twice, whatever it does.
"""

import msgspec

from fleetpatch.model.change import BodyPatch, Change, PatchType, Request
from fleetpatch.model.fields import ABSENT, Fields, Json
from fleetpatch.model.target import Target


def request(change: Change, target: Target, goal: Fields, version: str | None) -> Request:
    """Make the request by which `goal` comes to hold; `version` None guards by the uid alone.

    A BodyPatch is sent as the plan has it. All else is a merge patch made of `goal`.
    """
    if not isinstance(change, BodyPatch):
        return Request(PatchType.MERGE, _encode(_guarded(_document(goal), target, version)))
    if change.type is PatchType.JSON:
        tests = [{"op": "test", "path": "/metadata/uid", "value": target.uid}]
        if version is not None:
            tests.append({"op": "test", "path": "/metadata/resourceVersion", "value": version})
        return Request(change.type, _encode([*tests, *change.body]))
    return Request(change.type, _encode(_guarded(change.body, target, version)))


_encode = msgspec.json.Encoder().encode


def _document(goal: Fields) -> dict[str, Json]:
    document: dict[str, Json] = {}
    for path, value in goal.items():
        place = document
        for key in path[:-1]:
            place = place.setdefault(key, {})
        place[path[-1]] = None if value is ABSENT else value
    return document


def _guarded(body: Json, target: Target, version: str | None) -> Json:
    guard = {"uid": target.uid} if version is None else {"resourceVersion": version}
    return {**body, "metadata": {**(body.get("metadata") or {}), **guard}}
