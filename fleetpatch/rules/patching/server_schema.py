"""The merge rules in the schema that a server publishes at /openapi/v3.

The document of a group version contains all types that its kinds refer to, with the tags of each
field: of built-in kinds, and of custom ones as their CustomResourceDefinitions have them. From it
follow the lines that a table of `fleetpatch.rules.patching.merge_schema` has. A type that is
written within another one gets a name of its own.

What a field without tags is, is decided as kube-openapi (`schemaconv`) does it for applies: a list
is atomic, a map merges key by key, and what the schema leaves open merges as deeply as it has maps.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from fleetpatch.model.fields import MAX_DEPTH, Json
from fleetpatch.model.providers.tables import is_built_in
from fleetpatch.model.resource import Resource
from fleetpatch.rules.patching.merge_schema import (
    ITSELF,
    REST,
    FieldLine,
    lines_of,
    type_of,
)

_PREFIX: Final = "io.k8s."
_EXTENSION: Final = "x-kubernetes-"
_KINDS: Final = "group-version-kind"
_MAX_LINES: Final = 20_000
"""Of all types of a schema; a Job has about 500. A larger schema counts as none."""
_MAX_NAME_LENGTH: Final = 4000
"""Characters of the name of a type that is written within others; of its fields' names as well."""
_COMPOUND: Final = frozenset({"properties", "additionalProperties"})
_OPEN: Final = FieldLine("open")


class ServerSchema(msgspec.Struct, frozen=True, eq=False):
    """How a server merges some kinds: `types`, and (`roots`) the type of each kind.

    It is compared by identity, so that the rules that follow from it can be cached.
    """

    roots: Mapping[str, str]
    types: Mapping[str, Mapping[str, FieldLine]]

    def root(self, kind: Resource) -> str:
        """The name of the type of a kind; "" if the schema does not have it."""
        name = self.roots.get(_key(kind), "")
        return name if name in self.types else ""


def schema_paths(kinds: Iterable[Resource]) -> list[str]:
    """The paths of the documents that show how these kinds merge; each once."""
    found = (
        f"/openapi/v3/apis/{kind.group}/{kind.version}"
        if kind.group
        else f"/openapi/v3/api/{kind.version}"
        for kind in kinds
    )
    return list(dict.fromkeys(found))


def schema_of(documents: Iterable[Json], kinds: Collection[Resource]) -> ServerSchema | None:
    """The rules of those `kinds` that the documents have; None if they have none of them.

    Also None if they have too many or too deep types: a server sends any document.
    """
    schemas: dict[str, Any] = {}
    for document in documents:
        schemas |= _schemas(document)
    roots = {_key(kind): name for kind in kinds if (name := _root(kind, schemas))}
    reader = _Reader(schemas)
    try:
        for name in roots.values():
            reader.read(name)
    except _TooLargeError:
        return None
    schema = ServerSchema({key: _short(name) for key, name in roots.items()}, reader.types)
    return schema if any(map(schema.root, kinds)) else None


def is_table_of(version: str, schema: ServerSchema) -> bool:
    """Whether the table of `version` has the same rules for the kinds of the schema."""
    table = lines_of(version)
    return all(table.get(name) == lines for name, lines in schema.types.items())


class _TooLargeError(Exception):
    """The schema is too large, or too deep."""


class _Place(NamedTuple):
    """Where a schema is: the name of its type, how deep it is written, and whether it is open.

    What is written within an open type is open as well.
    """

    name: str
    depth: int = 0
    is_open: bool = False

    def below(self, step: str) -> "_Place":
        # The names of all places together may not grow as the square of the document.
        if self.depth >= MAX_DEPTH or len(self.name) + len(step) > _MAX_NAME_LENGTH:
            raise _TooLargeError
        return _Place(f"{self.name}{step}", self.depth + 1, self.is_open)


class _Reader:
    """Reads types with all types that they refer to, each once."""

    def __init__(self, schemas: Mapping[str, Any]) -> None:
        self.types: dict[str, dict[str, FieldLine]] = {}
        self._schemas = schemas
        self._waiting: list[str] = []
        self._seen: set[str] = set()
        self._lines_left = _MAX_LINES

    def read(self, root: str) -> None:
        self._refer(root)
        while self._waiting:
            name = self._waiting.pop()
            self._add(_Place(_short(name)), self._schemas[name])

    def _refer(self, name: str) -> None:
        if name in self._schemas and name not in self._seen:
            self._seen.add(name)
            self._waiting.append(name)

    def _add(self, place: _Place, schema: Json) -> None:
        """Add a type, unless it has no lines."""
        lines = dict(self._lines(place, schema)) if isinstance(schema, dict) else {}
        self._lines_left -= len(lines)
        if self._lines_left < 0:
            raise _TooLargeError
        if lines:
            self.types[place.name] = lines

    def _lines(self, place: _Place, schema: Mapping[str, Any]) -> Iterator[tuple[str, FieldLine]]:
        if _text(schema, "map-type") == "atomic":
            yield ITSELF, FieldLine(map_type="atomic")
        is_open = place.is_open or _is_open(schema)
        place = place._replace(is_open=is_open)
        properties = schema.get("properties")
        for field, inner in (properties if isinstance(properties, dict) else {}).items():
            line = self._line(place.below(f"#{field}"), inner)
            if line is not None and field not in (ITSELF, REST):
                yield field, line
        rest = schema.get("additionalProperties")
        # A schema, or whether there may be other fields at all.
        line = _OPEN if rest is True else self._line(place.below(f"#{REST}"), rest)
        if line is not None or is_open:
            yield REST, line or _OPEN

    def _line(self, place: _Place, schema: Json) -> FieldLine | None:
        """The line of a field; None for a scalar. A type that is written there gets its name."""
        if not isinstance(schema, dict):
            return None
        if reference := _reference(schema):
            self._refer(reference)
            return _tagged("object", _short(reference), schema)
        if _is_list(schema):
            # Without keys, nothing identifies an entry.
            if _text(schema, "list-type") == "map" and not _keys(schema):
                return None
            return _tagged("list", self._entries(place, schema.get("items")), schema)
        if self._is_map_of_scalars(schema):
            of = _reference(schema["additionalProperties"])
            return _tagged("map", _short(of), schema)
        if not schema.keys() & _COMPOUND:
            return _tagged("open", "", schema) if _is_any(schema) else None
        self._add(place, schema)
        return _tagged("object", place.name if place.name in self.types else "", schema)

    def _entries(self, place: _Place, items: Json) -> str:
        """The type of the entries of a list, if they are maps."""
        line = self._line(place.below("[]"), items)
        return line.of if line is not None and line.form == "object" else ""

    def _is_map_of_scalars(self, schema: Mapping[str, Any]) -> bool:
        values = schema.get("additionalProperties")
        if "properties" in schema or not isinstance(values, dict):
            return False
        of = self._schemas.get(_reference(values), values)
        # A quantity is a type of its own, and a scalar.
        return isinstance(of, dict) and not (of.keys() & _COMPOUND or _is_any(of) or _is_list(of))


def _tagged(form: str, of: str, schema: Mapping[str, Any]) -> FieldLine:
    return FieldLine(
        form,
        of,
        _text(schema, "patch-strategy"),
        _text(schema, "patch-merge-key"),
        _text(schema, "list-type"),
        _keys(schema),
        _text(schema, "map-type"),
    )


def _keys(schema: Mapping[str, Any]) -> tuple[str, ...]:
    keys = schema.get(f"{_EXTENSION}list-map-keys")
    return tuple(map(str, keys)) if isinstance(keys, list) else ()


def _is_open(schema: Mapping[str, Any]) -> bool:
    return schema.get(f"{_EXTENSION}preserve-unknown-fields") is True


def _is_list(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") == "array"


def _is_any(schema: Mapping[str, Any]) -> bool:
    """Whether the schema allows maps with any content."""
    kind = schema.get("type")
    return kind == "object" or (kind is None and _is_open(schema))


def _key(kind: Resource) -> str:
    return f"{kind.api_version}/{kind.kind}"


def _root(kind: Resource, schemas: Mapping[str, Any]) -> str:
    """The name of the type of a kind; empty if the schemas have none, or several."""
    built_in = _PREFIX + type_of(kind)
    if is_built_in(kind) and built_in in schemas:
        return built_in
    wanted = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    found = [
        name
        for name, schema in schemas.items()
        if isinstance(schema, dict)
        and isinstance(kinds := schema.get(_EXTENSION + _KINDS), list)
        and wanted in kinds
    ]
    return found[0] if len(found) == 1 else ""


def _reference(schema: Json) -> str:
    """The type that a schema refers to, itself or in its `allOf`, which adds a default."""
    if not isinstance(schema, dict):
        return ""
    whole = schema.get("allOf")
    parts = [schema, *(whole if isinstance(whole, list) else ())]
    found = (part.get("$ref") for part in parts if isinstance(part, dict))
    reference = next((one for one in found if isinstance(one, str)), "")
    return reference.rpartition("/")[2]


def _short(name: str) -> str:
    return name.removeprefix(_PREFIX)


def _text(schema: Mapping[str, Any], extension: str) -> str:
    value = schema.get(_EXTENSION + extension)
    return value if isinstance(value, str) else ""


def _schemas(document: Json) -> dict[str, Any]:
    components = document.get("components") if isinstance(document, dict) else None
    schemas = components.get("schemas") if isinstance(components, dict) else None
    return schemas if isinstance(schemas, dict) else {}
