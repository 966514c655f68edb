"""Objects with their labels or annotations, as `fleetpatch label --list` shows them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, TypeAlias

import msgspec

from fleetpatch.model.fields import Json
from fleetpatch.model.names import namespaced_name
from fleetpatch.model.resource import Resource
from fleetpatch.model.text import clean
from fleetpatch.report.formats import csv_lines, json_array, yaml_lines
from fleetpatch.report.targets import name_for_kubectl

What: TypeAlias = Literal["labels", "annotations"]


class ListedObject(msgspec.Struct, frozen=True):
    """One object and its metadata."""

    cluster: str
    resource: Resource
    namespace: str
    name: str
    uid: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    def values(self, what: What) -> dict[str, str]:
        """Return its labels or its annotations, sorted by key."""
        values = self.labels if what == "labels" else self.annotations
        return dict(sorted(values.items()))


def object_lines(objects: Sequence[ListedObject], what: What) -> Iterator[str]:
    """Yield `key=value` lines, below a line for each object if there are several."""
    for one in objects:
        indent = ""
        if len(objects) > 1:
            indent = " "
            place = namespaced_name(one.namespace, one.name)
            kind = f"{one.resource.kind}.{one.resource.group}".rstrip(".")
            yield clean(f"Listing {what} for {kind} {place} of {one.cluster}:")
        for key, value in one.values(what).items():
            yield f"{indent}{clean(key)}={clean(value)}"


def object_json_lines(objects: Sequence[ListedObject], what: What) -> Iterator[str]:
    """Yield a JSON array of the objects."""
    return json_array(_as_json(one, what) for one in objects)


def object_yaml_lines(objects: Sequence[ListedObject], what: What) -> Iterator[str]:
    """Yield a YAML list of the objects."""
    return yaml_lines([_as_json(one, what) for one in objects])


def object_csv_lines(objects: Sequence[ListedObject], what: What) -> Iterator[str]:
    """Yield a header, and a row for each label or annotation of each object."""
    rows = (
        (one.cluster, one.resource.name, one.namespace, one.name, key, value)
        for one in objects
        for key, value in one.values(what).items()
    )
    return csv_lines(("cluster", "kind", "namespace", "name", "key", "value"), rows)


def object_name_lines(objects: Sequence[ListedObject]) -> Iterator[str]:
    """Yield names as kubectl prints them: `job.batch/etl-7`."""
    return (name_for_kubectl(one.resource, one.name) for one in objects)


def _as_json(one: ListedObject, what: What) -> dict[str, Json]:
    return {
        "cluster": one.cluster,
        "kind": one.resource.name,
        "namespace": one.namespace,
        "name": one.name,
        what: one.values(what),
    }
