"""Compares the schema that a server publishes at /openapi/v3 with the table of a version.

The tables contain two versions of Kubernetes. A server of another version may still merge the kinds
of a plan as one of them does, and its schema shows that. The document of a group version contains
all types that its kinds refer to.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from fleetpatch.model.fields import Json
from fleetpatch.model.providers.tables import is_built_in
from fleetpatch.model.resource import Resource
from fleetpatch.rules.patching.merge_schema import FieldLine, lines_of, type_of

_PREFIX: Final = "io.k8s."
_EXTENSION: Final = "x-kubernetes-"


def schema_paths(kinds: Iterable[Resource]) -> list[str]:
    """The paths of the documents that show how these kinds merge; each once.

    Custom kinds are left out: only their metadata merges by a table.
    """
    found = (
        f"/openapi/v3/apis/{kind.group}/{kind.version}"
        if kind.group
        else f"/openapi/v3/api/{kind.version}"
        for kind in kinds
        if is_built_in(kind)
    )
    return list(dict.fromkeys(found))


def merges_as(version: str, documents: Iterable[Json], kinds: Iterable[Resource]) -> bool:
    """Whether the server merges all built-in `kinds` by the table of `version`.

    True only if a document has the type of each kind, and each field in it that the table has too
    merges alike. A field that the table lacks is undecided in a preview, so it does not count,
    unless it is a map that an apply replaces as a whole.
    """
    schemas: dict[str, Any] = {}
    for document in documents:
        schemas |= _schemas(document)
    known = lines_of(version)
    names = [type_of(kind) for kind in kinds if is_built_in(kind)]
    return bool(names) and all(
        name in known and _PREFIX + name in schemas and _agrees(name, schemas, known)
        for name in names
    )


def _agrees(
    root: str, schemas: Mapping[str, Any], known: Mapping[str, Mapping[str, FieldLine]]
) -> bool:
    waiting, seen = [root], {root}
    while waiting:
        name = waiting.pop()
        lines = known.get(name, {})
        for field, line in _lines(schemas.get(_PREFIX + name)):
            expected = lines.get(field)
            if expected is None and (name not in known or line.map_type != "atomic"):
                continue
            if line != expected:
                return False
            if line.of and line.of not in seen:
                seen.add(line.of)
                waiting.append(line.of)
    return True


def _lines(schema: Json) -> Iterator[tuple[str, FieldLine]]:
    """The fields of a type that are not scalars, and the type itself under "" if it is atomic."""
    if not isinstance(schema, dict):
        return
    whole = _text(schema, "map-type")
    if whole:
        yield "", FieldLine(map_type=whole)
    properties = schema.get("properties")
    for name, field in (properties if isinstance(properties, dict) else {}).items():
        if isinstance(field, dict) and (line := _line(field)) is not None:
            yield name, line


def _line(field: Mapping[str, Any]) -> FieldLine | None:
    if field.get("type") == "array":
        form, inner = "list", field.get("items")
    elif "additionalProperties" in field:
        form, inner = "map", field["additionalProperties"]
    elif _reference(field):
        form, inner = "object", field
    else:
        return None
    keys = field.get(f"{_EXTENSION}list-map-keys")
    return FieldLine(
        form,
        _reference(inner),
        _text(field, "patch-strategy"),
        _text(field, "patch-merge-key"),
        _text(field, "list-type"),
        tuple(map(str, keys)) if isinstance(keys, list) else (),
        _text(field, "map-type"),
    )


def _reference(schema: Json) -> str:
    """The type that a schema refers to, itself or in its `allOf`, which adds a default."""
    if not isinstance(schema, dict):
        return ""
    whole = schema.get("allOf")
    parts = [schema, *(whole if isinstance(whole, list) else ())]
    found = (part.get("$ref") for part in parts if isinstance(part, dict))
    reference = next((one for one in found if isinstance(one, str)), "")
    return reference.rpartition("/")[2].removeprefix(_PREFIX)


def _text(schema: Mapping[str, Any], extension: str) -> str:
    value = schema.get(_EXTENSION + extension)
    return value if isinstance(value, str) else ""


def _schemas(document: Json) -> dict[str, Any]:
    components = document.get("components") if isinstance(document, dict) else None
    schemas = components.get("schemas") if isinstance(components, dict) else None
    return schemas if isinstance(schemas, dict) else {}
