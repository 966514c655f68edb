"""The comparable part of an answer: without values that may differ between two correct servers."""

import json
from dataclasses import dataclass
from typing import Any

_OWN = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "selfLink")


@dataclass(frozen=True)
class Observation:
    """The comparable part of one answer.

    - `fields`: the fields in the causes of a Status.
    - `moved`: whether the object's version changed.
    - `content`: the object, or the names in the list, without uids, times and versions.
    - `owners`: the object's `managedFields` without times.
    - `conflicts`: the owners of fields that an apply would have changed.
    """

    status: int
    reason: str = ""
    details: tuple[tuple[str, str], ...] = ()
    fields: frozenset[str] = frozenset()
    moved: bool = False
    content: str = ""
    owners: tuple[str, ...] = ()
    conflicts: frozenset[str] = frozenset()


def observe(status: int, body: Any, before: str) -> Observation:
    """Return the comparable part of an answer; `before` is the version before the request."""
    if not isinstance(body, dict):
        return Observation(status, content=str(body))
    if body.get("kind") == "Status":
        return _refusal(status, body)
    if "items" in body:
        return Observation(status, content=_list(body))
    metadata = body.get("metadata", {})
    moved = metadata.get("resourceVersion", before) != before
    return Observation(status, moved=moved, content=_object(body), owners=_owners(metadata))


def _refusal(status: int, body: Any) -> Observation:
    details = body.get("details") or {}
    causes = details.get("causes", ())
    about = {key: details[key] for key in ("name", "group", "kind") if key in details}
    return Observation(
        status,
        reason=body.get("reason", ""),
        details=tuple(sorted(about.items())),
        fields=frozenset(cause.get("field", "") for cause in causes),
        conflicts=frozenset(
            f"{cause['message']}: {cause['field']}"
            for cause in causes
            if cause["reason"] == "FieldManagerConflict"
        ),
    )


def _owners(metadata: Any) -> tuple[str, ...]:
    entries = metadata.get("managedFields", ())
    timeless = ({k: v for k, v in entry.items() if k != "time"} for entry in entries)
    return tuple(sorted(json.dumps(entry, sort_keys=True) for entry in timeless))


def _object(body: Any) -> str:
    uid = body["metadata"].get("uid", "")
    metadata = {key: value for key, value in body["metadata"].items() if key not in _OWN}
    shown = {**body, "metadata": metadata}
    text = json.dumps(shown, sort_keys=True)
    return text.replace(uid, "UID") if uid else text


def _list(body: Any) -> str:
    items = body["items"]
    names = None if items is None else [item["metadata"]["name"] for item in items]
    kinds = sorted({item.get("kind", "") for item in items or ()} - {""})
    metadata = body["metadata"]
    shown = {
        "kind": body["kind"],
        "kinds": kinds if body["kind"] == "PartialObjectMetadataList" else [],
        "names": names,
        "remaining": metadata.get("remainingItemCount"),
        "more": bool(metadata.get("continue")),
    }
    return json.dumps(shown)
