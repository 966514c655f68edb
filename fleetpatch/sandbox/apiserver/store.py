"""The objects in memory, with one version counter.

Objects are JSON documents (`StoredObject`) that are **never changed in place**: a write makes a new
document that shares the unchanged parts with the old one. So a spec of some kilobytes exists once
for all jobs of the sample fleet that have it, and a reader does not need a copy.

Keys are `namespace/name`, as in etcd, and have the same order. Every write to any object increments
the version. Old versions cannot be read (see `fleetpatch.sandbox.apiserver.lists`).
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from fleetpatch.model.fields import Json
from fleetpatch.model.resource import Resource

StoredObject: TypeAlias = dict[str, Json]
"""An object as JSON, which must not be changed in place."""


def key_of(namespace: str, name: str) -> str:
    """The key of an object; `namespace` is empty for a cluster-scoped object."""
    return f"{namespace}/{name}" if namespace else name


@dataclass(slots=True)
class Collection:
    """The objects of one resource; `keys` are sorted."""

    keys: list[str] = field(default_factory=list)
    documents: dict[str, StoredObject] = field(default_factory=dict)

    def span(self, prefix: str, start: str = "") -> range:
        """The positions of the keys with `prefix`, from `start` on."""
        first = bisect_left(self.keys, max(prefix, start))
        # The end is where a key with the next possible prefix would be.
        end = bisect_left(self.keys, prefix[:-1] + chr(ord(prefix[-1]) + 1)) if prefix else None
        return range(first, len(self.keys) if end is None else end)


class Store:
    """All objects of one sandbox. Not thread-safe."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._collections = {resource: Collection() for resource in resources}
        self.version = 1
        """The version of the latest write."""
        self.compacted = 0
        """Continue tokens of this version and older have expired."""

    def collection(self, resource: Resource) -> Collection:
        """The objects of `resource`; read only."""
        return self._collections[resource]

    def get(self, resource: Resource, namespace: str, name: str) -> StoredObject | None:
        """The object of that name, or None."""
        return self._collections[resource].documents.get(key_of(namespace, name))

    def put(self, resource: Resource, document: StoredObject) -> StoredObject:
        """Store a new object, or a new state of one, and return it with its version."""
        self.version += 1
        metadata = {**document["metadata"], "resourceVersion": str(self.version)}
        stored = {**document, "metadata": metadata}
        collection = self._collections[resource]
        key = key_of(metadata.get("namespace", ""), metadata["name"])
        # Keys stay sorted, so that a page is a slice of them.
        if key not in collection.documents:
            insort(collection.keys, key)
        collection.documents[key] = stored
        return stored

    def load(self, resource: Resource, documents: Iterable[StoredObject]) -> None:
        """Store many new objects; much faster than calling `put` for each, as it sorts once."""
        collection = self._collections[resource]
        for document in documents:
            self.version += 1
            # In place, since no other code has these documents yet; this saves a copy of each.
            metadata = document["metadata"]
            metadata["resourceVersion"] = str(self.version)
            collection.documents[key_of(metadata.get("namespace", ""), metadata["name"])] = document
        collection.keys = sorted(collection.documents)

    def delete(self, resource: Resource, namespace: str, name: str) -> StoredObject | None:
        """Remove and return the object of that name, or None."""
        collection = self._collections[resource]
        key = key_of(namespace, name)
        document = collection.documents.pop(key, None)
        # A deletion is a write in etcd, too.
        if document is not None:
            self.version += 1
            del collection.keys[bisect_left(collection.keys, key)]
        return document

    def edit(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        change: Callable[[StoredObject], StoredObject],
    ) -> bool:
        """Change an object as another writer; returns False if it does not exist."""
        document = self.get(resource, namespace, name)
        if document is None:
            return False
        self.put(resource, change(document))
        return True

    def compact(self) -> None:
        """Expire all continue tokens issued so far, as etcd's compaction does."""
        self.compacted = self.version

    def __iter__(self) -> Iterator[tuple[Resource, StoredObject]]:
        for resource, collection in self._collections.items():
            for key in collection.keys:
                yield resource, collection.documents[key]
