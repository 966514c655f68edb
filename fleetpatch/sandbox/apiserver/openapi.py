"""The documents at /openapi/v3 of a sandbox that publishes them: how its kinds merge, and no more.

They are made of the table of its version. Fields that merge like any others, such as scalars, are
left out. The spec of a custom kind is open, except the lists of JobSets.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from fleetpatch.model.fields import Json
from fleetpatch.model.resource import Resource
from fleetpatch.rules.patching.merge_schema import ITSELF, FieldLine, lines_of, type_of
from fleetpatch.rules.patching.server_schema import ServerSchema, schema_of, schema_paths
from fleetpatch.sandbox.apiserver import discovery
from fleetpatch.sandbox.apiserver.release import Release

_PREFIX: Final = "io.k8s."
_REFERENCE: Final = "#/components/schemas/"
_META: Final = "apimachinery.pkg.apis.meta.v1.ObjectMeta"
_OPEN: Final[Json] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_TEXT: Final[Json] = {"type": "string"}


def _keyed_by_name(**fields: Json) -> Json:
    return {
        "type": "array",
        "items": {"type": "object", "properties": {"name": _TEXT, **fields}},
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
    }


_SPECS: Final = MappingProxyType(
    {
        # config/components/crd of kubernetes-sigs/jobset
        discovery.JOB_SETS: {
            **_OPEN,
            "properties": {
                "replicatedJobs": _keyed_by_name(
                    dependsOn=_keyed_by_name(status=_TEXT), template=_OPEN
                )
            },
        }
    }
)


@lru_cache
def documents(release: Release) -> Mapping[str, Json]:
    """The documents of the group versions, by their paths; none before Kubernetes 1.24."""
    if not release.publishes_schemas:
        return {}
    kinds = discovery.served(release)
    return {
        path: document(release.version, [kind for kind in kinds if schema_paths([kind]) == [path]])
        for path in schema_paths(kinds)
    }


@lru_cache
def published(release: Release) -> ServerSchema | None:
    """The rules in the documents: what a client learns is what the sandbox does."""
    return schema_of(documents(release).values(), discovery.served(release))


def document(version: str, kinds: Iterable[Resource]) -> Json:
    """The document of a server that merges these kinds by the table of `version`."""
    lines, schemas = lines_of(version), {}
    waiting = [_META]
    for kind in kinds:
        if discovery.is_custom(kind):
            schemas.update(_custom(kind))
        else:
            waiting.append(type_of(kind))
            schemas[_PREFIX + type_of(kind)] = _of_kind(kind)
    seen = set(waiting)
    while waiting:
        name = waiting.pop()
        found = lines.get(name, {})
        schemas[_PREFIX + name] = schemas.get(_PREFIX + name, {}) | _type(found)
        named = {line.of for line in found.values() if line.of} - seen
        seen |= named
        waiting += sorted(named)
    return {"openapi": "3.0.0", "components": {"schemas": schemas}}


def _custom(kind: Resource) -> dict[str, Json]:
    reversed_group = ".".join(reversed(kind.group.split(".")))
    properties = {
        "metadata": _reference(_META),
        "spec": _SPECS.get(kind, _OPEN),
        "status": _OPEN,
    }
    schema = {"type": "object", "properties": properties, **_of_kind(kind)}
    return {f"{reversed_group}.{kind.version}.{kind.kind}": schema}


def _of_kind(kind: Resource) -> dict[str, Json]:
    named = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    return {"x-kubernetes-group-version-kind": [named]}


def _type(lines: Mapping[str, FieldLine]) -> dict[str, Json]:
    properties = {field: _field(line) for field, line in lines.items() if field != ITSELF}
    whole = lines[ITSELF].map_type if ITSELF in lines else ""
    tags = {"x-kubernetes-map-type": whole} if whole else {}
    # A type without fields that merge is a scalar, such as a time or a quantity.
    return {"type": "object", "properties": properties, **tags} if lines else {"type": "string"}


def _reference(name: str) -> dict[str, Any]:
    # A server puts a reference into `allOf` where the field has a default.
    return {"allOf": [{"$ref": f"{_REFERENCE}{_PREFIX}{name}"}], "default": {}}


def _field(line: FieldLine) -> Json:
    inner = _reference(line.of) if line.of else _TEXT
    extensions = {
        "patch-strategy": line.patch_strategy,
        "patch-merge-key": line.patch_merge_key,
        "list-type": line.list_type,
        "list-map-keys": list(line.list_map_keys),
        "map-type": line.map_type,
    }
    tags = {f"x-kubernetes-{name}": value for name, value in extensions.items() if value}
    match line.form:
        case "list":
            return {"type": "array", "items": inner, **tags}
        case "map":
            return {"type": "object", "additionalProperties": inner, **tags}
        case _:
            return {**inner, **tags}
