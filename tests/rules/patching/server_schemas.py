"""Makes a server's /openapi/v3 document out of a table of merge rules."""

from typing import Any

from fleetpatch.rules.patching.merge_schema import FieldLine, lines_of

_REFERENCE = "#/components/schemas/io.k8s."


def document(version: str) -> Any:
    """The document of a server that merges as `version`; it may be changed."""
    schemas = {
        f"io.k8s.{name}": {
            "type": "object",
            "properties": {
                **{field: _schema(line) for field, line in lines.items() if field},
                # Scalars are in no table.
                "note": {"type": "string"},
            },
            **({"x-kubernetes-map-type": lines[""].map_type} if "" in lines else {}),
        }
        for name, lines in lines_of(version).items()
    }
    return {"openapi": "3.0.0", "components": {"schemas": schemas}}


def properties(made: Any, name: str) -> dict[str, Any]:
    """The fields of a type, such as `api.core.v1.PodSpec`."""
    found: dict[str, Any] = made["components"]["schemas"][f"io.k8s.{name}"]["properties"]
    return found


def _schema(line: FieldLine) -> dict[str, Any]:
    inner: dict[str, Any] = {"type": "string"}
    if line.of:
        # A server puts a reference into `allOf` where the field has a default.
        inner = {"allOf": [{"$ref": _REFERENCE + line.of}], "default": {}}
    extensions = {
        "patch-strategy": line.patch_strategy,
        "patch-merge-key": line.patch_merge_key,
        "list-type": line.list_type,
        "list-map-keys": list(line.list_map_keys),
        "map-type": line.map_type,
    }
    made = {f"x-kubernetes-{name}": value for name, value in extensions.items() if value}
    match line.form:
        case "list":
            return {"type": "array", "items": inner, **made}
        case "map":
            return {"type": "object", "additionalProperties": inner, **made}
        case _:
            return {**inner, **made}
