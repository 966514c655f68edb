"""The JSON Schema of the plan file, for editors."""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from fleetpatch.model.plan.schema import Plan


class _PlanFileSchema(GenerateJsonSchema):
    """Describes what may be written: None is a default of ours, but nothing that a file says."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's hook
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        described = super().default_schema(schema)
        if described.get("default") in (None, [], {}, ""):
            described.pop("default", None)
        return described


def json_schema() -> dict[str, Any]:
    """Give the JSON Schema (draft 2020-12) of a plan file."""
    schema = Plan.model_json_schema(by_alias=True, schema_generator=_PlanFileSchema)
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema, "title": "fleetpatch plan"}
