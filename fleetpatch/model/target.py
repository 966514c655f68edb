"""An object as read from a server, and a target: an object that a run will patch.

Values that are made for every target, here and elsewhere, are msgspec Structs: a frozen dataclass
of the same size takes fifteen times as long to make.
"""

from collections.abc import Iterable, Mapping
from typing import NewType, Protocol

import msgspec

from fleetpatch.model.fields import MAX_DEPTH, Fields, Json, Path, Value, is_deeper, look_up
from fleetpatch.model.names import namespaced_name
from fleetpatch.model.resource import Resource

TargetId = NewType("TargetId", int)
"""A target's number within its run, from 1, in the order of the plan."""


class Seen(msgspec.Struct, frozen=True):
    """An object at one moment, from the answer to a LIST, GET or PATCH.

    - `resource_version`: opaque.
    - `labels`, `annotations`: empty if absent.
    - `whole`: the whole object if it was requested; else only labels and annotations are known.
    - `unreadable`: why `whole` is None or cut (below `fields.MAX_DEPTH`); empty if it is complete.
    - `api_version`, `kind`: the object's own, which may be empty.
    - `managed_fields`: `metadata.managedFields`, which shows who wrote which field; a GET
      keeps it, and a LIST only if that is requested.
    - `metadata`: the metadata without managedFields, if a LIST requested it.
    """

    namespace: str
    name: str
    uid: str
    resource_version: str
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    whole: Json = None
    unreadable: str = ""
    api_version: str = ""
    kind: str = ""
    managed_fields: Json = None
    metadata: Json = None

    def is_readable_at(self, paths: Iterable[Path]) -> bool:
        """Report whether the values at these paths are known completely."""
        if not self.unreadable:
            return True
        if self.whole is None:
            return False
        # `whole` is cut only below MAX_DEPTH levels, so a value that ends above them is complete.
        return not any(is_deeper(self.value(path), MAX_DEPTH - len(path)) for path in paths)

    def value(self, path: Path) -> Value:
        """Return the value at `path`, or ABSENT."""
        return look_up(self.document(), path)

    def values(self, paths: Iterable[Path]) -> Fields:
        """Return the values at these paths, each of them or ABSENT."""
        document = self.document()
        return {path: look_up(document, path) for path in paths}

    def document(self) -> Json:
        """Return the known part of the object, in its shape."""
        if self.whole is not None:
            return self.whole
        return {"metadata": {"labels": self.labels, "annotations": self.annotations}}


class EarlierWrite(msgspec.Struct, frozen=True):
    """The values that an earlier attempt stored; kept when `resume --failed` removes its outcome.

    `wrote` are the values that it stored, `replaced` the values that the fields had before. Undo
    needs both.
    """

    wrote: Fields
    replaced: Fields


class TargetIdentity(Protocol):
    """What identifies a target for people and in the log."""

    @property
    def cluster(self) -> str:
        """Its name in the plan."""
        ...

    @property
    def kind(self) -> str:
        """The name of its resource: `jobs.batch`."""
        ...

    @property
    def namespace(self) -> str:
        """Empty for an object of the cluster."""
        ...

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def uid(self) -> str:
        """Empty if it did not exist."""
        ...


class Target(msgspec.Struct, frozen=True, gc=False):
    """One object to be patched, as it was when the run was planned.

    - `before`: the value of every field that the patch touches, ABSENT included.
    - `blocks`: the positions, in the plan's `targets`, of the blocks that selected it; none for a
      dependent, which a selected object owns.
    - `wanted`: the values after the patch, if they do not follow from `before` alone.
    - `earlier`: what an earlier attempt stored, if that was not what was wanted.
    - `computed`: the values of the expressions in a patch body, by their paths in it.
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
    computed: Fields | None = None

    @property
    def kind(self) -> str:
        """The name of its resource: `jobs.batch`."""
        return self.resource.name

    @property
    def full_name(self) -> str:
        """`prod jobs.batch team-a/etl-7`, for people; the texts of the server are not cleaned."""
        return f"{self.cluster} {self.kind} {namespaced_name(self.namespace, self.name)}"


def identity_as_json(target: TargetIdentity) -> dict[str, str]:
    """Render what identifies a target, in JSON objects and in lines of the log."""
    return {
        "cluster": target.cluster,
        "kind": target.kind,
        "namespace": target.namespace,
        "name": target.name,
        "uid": target.uid,
    }
