"""A store of objects with labels that answers GETs and merge patches as an API server does."""

from collections.abc import Iterable, Mapping
from itertools import count

from fleetpatch.model.answer import Answer
from fleetpatch.model.target import Seen
from tests.values import replace

from .cluster import Call
from .samples import failure, ok


class ObjectStore:
    """Objects with labels. Versions count up over all objects, as in etcd."""

    def __init__(self, objects: Iterable[Seen] = ()) -> None:
        self._objects = {seen.name: seen for seen in objects}
        self._versions = count(1000)
        self._uids = count(1)

    def __getitem__(self, name: str) -> Seen:
        return self._objects[name]

    def __contains__(self, name: str) -> bool:
        return name in self._objects

    def write(self, name: str, **labels: str | None) -> None:
        """Set labels as another writer; None removes one."""
        seen = self._objects[name]
        merged = {**seen.labels, **labels}
        self._put(seen, {key: value for key, value in merged.items() if value is not None})

    def delete(self, name: str) -> None:
        """Delete the object as another writer."""
        del self._objects[name]

    def recreate(self, name: str) -> None:
        """Delete the object and create it again with the same labels, as another writer."""
        seen = self._objects[name]
        self._put(replace(seen, uid=f"uid-again-{next(self._uids)}"), seen.labels)

    def find(self, name: str) -> Seen | None:
        """Return the object, or None."""
        return self._objects.get(name)

    def read(self, call: Call) -> Answer:
        """Answer a GET."""
        seen = self._objects.get(call.target.name)
        return ok(seen) if seen else failure(404, "NotFound", "not found")

    def patch(self, call: Call) -> Answer:
        """Answer a merge patch; guards are checked in the API server's order: version, then uid."""
        seen = self._objects.get(call.target.name)
        if seen is None:
            return failure(404, "NotFound", "not found")
        guards = call.body["metadata"]
        if guards.get("resourceVersion", seen.resource_version) != seen.resource_version:
            return failure(409, "Conflict", "the object has been modified")
        if guards.get("uid", seen.uid) != seen.uid:
            return failure(422, "Invalid", "field is immutable", causes=("metadata.uid",))
        merged = {**seen.labels, **call.labels}
        labels = {key: value for key, value in merged.items() if value is not None}
        if call.dry_run:
            return ok(replace(seen, labels=labels))
        return ok(self._put(seen, labels) if labels != seen.labels else seen)

    def _put(self, seen: Seen, labels: Mapping[str, str]) -> Seen:
        changed = replace(seen, labels=labels, resource_version=str(next(self._versions)))
        self._objects[seen.name] = changed
        return changed
