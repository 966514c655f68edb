"""What one object needs: before-values, wanted values, and the patch between them.

The wanted values are a function of the change and the before-values, so the run file keeps only the
latter. A patch carries every wanted field, also those that hold already: a field that somebody
changes between plan and patch is then seen as a conflict or set right, never left half done.
"""

from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from fleetpatch.model.change import Change
from fleetpatch.model.fields import ABSENT, Fields, Json, Path, Value, annotation, label, show
from fleetpatch.model.target import Seen


@dataclass(frozen=True, slots=True)
class Patch:
    """The object is to be patched so that `wanted` holds."""

    before: Fields
    wanted: Fields


@dataclass(frozen=True, slots=True)
class Unchanged:
    """All wanted values are there already."""

    before: Fields


@dataclass(frozen=True, slots=True)
class Clash:
    """A label cannot be renamed: the new key is there with another value."""

    before: Fields
    detail: str


Need: TypeAlias = Patch | Unchanged | Clash


def need(change: Change, seen: Seen) -> Need:
    """Decide what `seen` needs for `change` to hold."""
    before = {path: seen.value(path) for path in change.touched}
    for old, new in change.rename_labels.items():
        kept, taken = before[label(old)], before[label(new)]
        if ABSENT not in (kept, taken) and kept != taken:
            return Clash(before, f"{show(label(new))} is {taken!r} already, {old} is {kept!r}")
    goal = wanted(change, before)
    if all(before[path] == value for path, value in goal.items()):
        return Unchanged(before)
    return Patch(before, goal)


def wanted(change: Change, before: Fields) -> Fields:
    """The values that must hold afterwards; `before` names every field of `change.touched`."""
    goal: dict[Path, Value] = {}
    for key, value in change.labels.items():
        goal[label(key)] = ABSENT if value is None else value
    for key, value in change.annotations.items():
        goal[annotation(key)] = ABSENT if value is None else value
    for old, new in change.rename_labels.items():
        if (kept := before[label(old)]) is not ABSENT:
            goal[label(old)] = ABSENT
            goal[label(new)] = kept
    return goal


def merge_patch(
    goal: Fields, *, resource_version: str | None = None, uid: str | None = None
) -> bytes:
    """The JSON merge patch (RFC 7386) that makes `goal` hold, guarded by version or uid.

    A stale `resource_version` is answered 409 by the server, another object's `uid` 422.
    """
    patch: dict[str, Json] = {}
    for path, value in goal.items():
        place = patch
        for key in path[:-1]:
            place = place.setdefault(key, {})
        place[path[-1]] = None if value is ABSENT else value
    metadata = patch.setdefault("metadata", {})
    if resource_version is not None:
        metadata["resourceVersion"] = resource_version
    if uid is not None:
        metadata["uid"] = uid
    return msgspec.json.encode(patch)
