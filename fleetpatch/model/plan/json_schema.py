"""The JSON Schema of the plan file, by which editors complete keys and show what they mean.

`fleetpatch schema` prints it. It is made of the pydantic models and of the docstrings of their
attributes.
"""

import ast
import inspect
from collections.abc import Iterator
from itertools import pairwise
from textwrap import dedent
from typing import Any, cast

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.plan.section import Section


class _PlanFileSchema(GenerateJsonSchema):
    """Describes what a file may contain: None is a default of the models and is never written."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's hook
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        described = super().model_schema(schema)
        properties, section = described["properties"], schema["cls"]
        for alias, docstring in _docstrings(section):
            properties[alias]["description"] = docstring
        for alias, default in _defaults(section):
            properties[alias]["default"] = default
        return described

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        # Without the default, which would have the form that it has in Python.
        return self.generate_inner(schema["schema"])


def _defaults(section: type[Section]) -> Iterator[tuple[str, Any]]:
    """Yield the alias and the default of each field that has one, as it is written in a file."""
    defaults = section.model_construct().model_dump(mode="json", by_alias=True, exclude_none=True)
    for alias, default in defaults.items():
        # Editors would insert these defaults, but an empty value is not valid in a file.
        if default not in ([], {}, ""):
            yield alias, default


def _docstrings(section: type[Section]) -> Iterator[tuple[str, str]]:
    """Yield the alias and the docstring of each field that has one.

    pydantic's `use_attribute_docstrings` would parse the source of each section at each start of
    the tool; only editors need the docstrings.
    """
    try:
        source = inspect.getsource(section)
    except OSError:
        return  # an installation without sources: the schema has no descriptions then
    (definition,) = ast.parse(dedent(source)).body
    for field, after in pairwise(cast(ast.ClassDef, definition).body):
        match field, after:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield section.model_fields[name].alias or name, inspect.cleandoc(text)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the plan file, for editors."""
    schema = Plan.model_json_schema(by_alias=True, schema_generator=_PlanFileSchema)
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema, "title": "fleetpatch plan"}
