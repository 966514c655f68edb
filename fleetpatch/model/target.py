"""An object as a server showed it, and a target: an object that a run will patch."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NewType

from fleetpatch.model.fields import MAX_DEPTH, Fields, Json, Path, Value, is_deeper, look_up
from fleetpatch.model.resource import Resource

TargetId = NewType("TargetId", int)
"""A target's number within its run, from 1, in the order of the plan."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An object at one moment, as a LIST, GET or PATCH answered.

    `resource_version` is opaque. Absent label or annotation maps read as empty ones. `whole` is the
    whole object where it was asked for; else only labels and annotations are known. `unreadable`
    says why `whole` does not hold all of the object that was asked for: it is cut below
    `fleetpatch.model.fields`, or None. `api_version` and `kind` are what the object says of itself,
    which may be nothing.
    `managed_fields` is `metadata.managedFields`, which shows who wrote what; a GET alone asks for
    it.
    """

    namespace: str
    name: str
    uid: str
    resource_version: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    whole: Json = None
    unreadable: str = ""
    api_version: str = field(default="", compare=False)
    kind: str = field(default="", compare=False)
    managed_fields: Json = None

    def is_readable_at(self, paths: Iterable[Path]) -> bool:
        """Tell whether the values at these paths are known as a whole."""
        if not self.unreadable:
            return True
        if self.whole is None:
            return False
        return not any(is_deeper(self.value(path), MAX_DEPTH - len(path)) for path in paths)

    def value(self, path: Path) -> Value:
        """What stands at `path`, or ABSENT."""
        return look_up(self.document(), path)

    def document(self) -> Json:
        """What is known of it, in the shape of the object."""
        if self.whole is not None:
            return self.whole
        return {"metadata": {"labels": self.labels, "annotations": self.annotations}}


@dataclass(frozen=True, slots=True)
class EarlierWrite:
    """What an attempt of ours stored before its outcome was taken back (`resume --failed`).

    `wrote` are the values that it left, `replaced` those that the fields held before it.
    """

    wrote: Fields
    replaced: Fields


@dataclass(frozen=True, slots=True)
class Target:
    """One object to be patched, frozen when the run was planned.

    `before` holds the planned value of every field that the patch touches, ABSENT included.
    `wanted` holds their values afterwards where they do not follow from `before` alone.
    `blocks` are the positions, in the plan's `targets`, of the blocks that selected it.
    `earlier` is what an earlier attempt stored that was not what was wanted.
    """

    id: TargetId
    cluster: str
    resource: Resource
    namespace: str
    name: str
    uid: str
    resource_version: str
    before: Fields
    blocks: frozenset[int] = frozenset()
    wanted: Fields | None = None
    earlier: EarlierWrite | None = None
