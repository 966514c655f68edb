"""The JSON Schema of the plan file, by which editors complete keys and show what they mean.

`fleetpatch schema` prints it. It is made of the types of all keys, and of the docstrings of their
attributes.
"""

import ast
import inspect
from collections.abc import Iterator
from itertools import pairwise
from textwrap import dedent
from typing import Any, cast

from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.plan.section import Key, Section, SectionType, keys_of
from fleetpatch.model.plan.value_types import (
    AnyMapping,
    Boolean,
    Integer,
    ListOf,
    MappingOf,
    OneOf,
    Parsed,
    Schema,
    Text,
    ValueType,
)

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> Schema:
    """Return the JSON Schema (draft 2020-12) of the plan file, for editors."""
    return {"$schema": _DRAFT, **schema_of(Plan), "title": "fleetpatch plan"}


def schema_of(section: type[Section]) -> Schema:
    """Return the JSON Schema of a section, with those of the sections within it."""
    definitions: dict[str, Schema] = {}
    described = _section(section, definitions)
    return {"$defs": dict(sorted(definitions.items())), **described}


def _section(section: type[Section], definitions: dict[str, Schema]) -> Schema:
    keys, docstrings = keys_of(section), dict(_docstrings(section))
    required = [name for name, key in keys.items() if key.is_required]
    return {
        "additionalProperties": False,
        "description": inspect.getdoc(section),
        "properties": {
            name: _key(key, docstrings.get(key.name), definitions) for name, key in keys.items()
        },
        "title": section.__name__,
        "type": "object",
        **({"required": required} if required else {}),
        **section.schema_of_keys,
    }


def _key(key: Key, docstring: str | None, definitions: dict[str, Schema]) -> Schema:
    described = _of(key.value_type, definitions)
    if docstring is not None:
        described["description"] = docstring
    if not key.is_required and key.default is not None:
        # Editors would insert the default, but an empty value is not valid in a file.
        default = _all_written(key.value_type, key.default)
        if default not in ([], {}, ""):
            described["default"] = default
    return described


def _all_written(value_type: ValueType, value: Any) -> Any:
    """Return what a file may contain for a value, with the defaults of a section."""
    if not isinstance(value_type, SectionType):
        return value_type.write(value)
    values = (
        (name, one, getattr(value, one.name)) for name, one in keys_of(value_type.section).items()
    )
    return {
        name: _all_written(one.value_type, item) for name, one, item in values if item is not None
    }


def _of(value_type: ValueType, definitions: dict[str, Schema]) -> Schema:
    return {**_plain(value_type, definitions), **value_type.keywords}


def _plain(value_type: ValueType, definitions: dict[str, Schema]) -> Schema:
    """Return the schema of a type without its own keywords."""
    match value_type:
        case SectionType(section=section):
            if section.__name__ not in definitions:
                definitions[section.__name__] = _section(section, definitions)
            return {"$ref": f"#/$defs/{section.__name__}"}
        case ListOf(item=item, is_not_empty=is_not_empty):
            size = {"minItems": 1} if is_not_empty else {}
            return {"type": "array", "items": _of(item, definitions), **size}
        case MappingOf():
            return _mapping(value_type, definitions)
        case AnyMapping():
            return {"type": "object", "additionalProperties": True}
        case OneOf(meanings=meanings):
            words = list(meanings)
            return {"type": "string", **({"enum": words} if words[1:] else {"const": words[0]})}
        case Integer(least=least, most=most):
            limits = {"minimum": least, "maximum": most}
            return {"type": "integer", **{key: n for key, n in limits.items() if n is not None}}
        case Boolean():
            return {"type": "boolean"}
        case Text() | Parsed():
            return {"type": "string"}
    return {}


def _mapping(value_type: MappingOf, definitions: dict[str, Schema]) -> Schema:
    item, names = _of(value_type.item, definitions), dict(value_type.key.keywords)
    pattern = names.pop("pattern", None)
    rule: Schema = (
        {"patternProperties": {pattern: item}} if pattern else {"additionalProperties": item}
    )
    if names:
        rule["propertyNames"] = names
    if value_type.is_not_empty:
        rule["minProperties"] = 1
    return {"type": "object", **rule}


def _docstrings(section: type[Section]) -> Iterator[tuple[str, str]]:
    """Yield the name and the docstring of each attribute that has one.

    Only editors need the docstrings, so that a start of the tool does not parse the sources.
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
                yield name, inspect.cleandoc(text)
