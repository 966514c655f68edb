"""The base of all sections of a plan, and the types of their values.

A type reads the value in the file, writes it in canonical form, and describes itself to editors.
Its reader raises ValueError (or SelectorError) with a sentence for people; `shape` adds the place.
"""

import re
from collections.abc import Callable
from typing import Annotated, Any, Final, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    Strict,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticKnownError

from fleetpatch.model import names, patterns, units
from fleetpatch.model.computed import KEY, Expression, expression_of
from fleetpatch.model.plan.templates import is_template, problem_of_template
from fleetpatch.model.selectors.field_selector import FieldSelector
from fleetpatch.model.selectors.label_selector import Selector
from fleetpatch.model.units import Amount, Percent

_T = TypeVar("_T")

DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")

NO_VALUE = "has no value; add one, or remove the key"


class Section(BaseModel):
    """A mapping of the plan file: camelCase there, snake_case here; immutable, no unknown keys."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        defer_build=True,  # a part is built with the whole, and not by itself as well
        extra="forbid",  # a misspelled key must not be ignored
        frozen=True,
        hide_input_in_errors=True,  # the input may be a secret
        strict=True,  # "1" must not become 1
    )


def _given(value: object) -> object:
    if value is None:
        raise ValueError(NO_VALUE)
    return value


def _of_text(read: Callable[[str], _T], example: str) -> Callable[[object], _T]:
    def validate(value: object) -> _T:
        if not isinstance(_given(value), str):
            raise ValueError(f"must be text such as {example}")  # noqa: TRY004 - pydantic's protocol
        return read(str(value))

    return validate


def valid(problem_of: Callable[[str], str | None]) -> AfterValidator:
    """Make a validator of a function that returns what is wrong with a text, or None."""

    def check(text: str) -> str:
        if problem := problem_of(text):
            raise ValueError(problem)
        return text

    return AfterValidator(check)


def _read_amount(value: object) -> Amount:
    if isinstance(_given(value), str):
        return units.read_percent(str(value))
    # A bool is an int in Python, but `true` is not a count.
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("must be a count such as 10, or a percentage such as 10%")
    return value


def _write_amount(value: Amount) -> int | str:
    return str(value) if isinstance(value, Percent) else value


def _content_digest(text: str) -> str:
    if not DIGEST.fullmatch(text):
        raise ValueError("must be sha256: and 64 hexadecimal digits in lower case")
    return text


def _text_schema(pattern: str, *examples: str) -> WithJsonSchema:
    schema = {"type": "string", "pattern": pattern}
    return WithJsonSchema({**schema, "examples": list(examples)} if examples else schema)


Given = BeforeValidator(_given)
"""Refuse a key without a value, which YAML reads as null, where None is the default."""

_PERCENT_PATTERN = r"^[0-9]+(\.[0-9]+)?%$"

Seconds: TypeAlias = Annotated[
    float,
    PlainValidator(_of_text(units.read_duration, "30s or 5m")),
    PlainSerializer(units.write_duration, return_type=str),
    _text_schema(r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$", "30s", "5m", "1h30m"),
]

PerSecond: TypeAlias = Annotated[
    float,
    PlainValidator(_of_text(units.read_rate, "100/s")),
    PlainSerializer(units.write_rate, return_type=str),
    _text_schema(r"^[0-9]+(\.[0-9]+)?/[smh]$", "100/s", "600/m"),
]

Percentage: TypeAlias = Annotated[
    Percent,
    PlainValidator(_of_text(units.read_percent, "10%")),
    PlainSerializer(str, return_type=str),
    _text_schema(_PERCENT_PATTERN, "10%"),
]

CountOrPercentage: TypeAlias = Annotated[
    Amount,
    PlainValidator(_read_amount),
    PlainSerializer(_write_amount),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "string", "pattern": _PERCENT_PATTERN},
            ]
        }
    ),
]

LabelSelector: TypeAlias = Annotated[
    Selector,
    PlainValidator(_of_text(Selector.parse, '"app in (etl, train)"')),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["app in (etl, train), tier != gold"]}),
]

ObjectFieldSelector: TypeAlias = Annotated[
    FieldSelector,
    PlainValidator(_of_text(FieldSelector.parse, '"status.successful=0"')),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["status.successful=0"]}),
]

DnsLabel: TypeAlias = Annotated[
    str,
    valid(names.problem_of_dns_label),
    _text_schema("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"),
]
LabelKey: TypeAlias = Annotated[str, valid(names.problem_of_label_key)]
LabelPattern: TypeAlias = Annotated[str, valid(patterns.problem_of_label_pattern)]
"""The key of a label, or a pattern of keys."""


def _computable(problem_of: Callable[[str], str | None]) -> PlainValidator:
    """Make a validator of a value that is text, null, or an expression."""

    def check(value: object) -> str | Expression | None:
        if value is None:
            return None
        if isinstance(value, Expression):
            return value
        if expression := expression_of(value):
            return expression
        if isinstance(value, dict) and KEY in value:
            raise ValueError(f"an expression is {{{KEY}: TEXT}}: text in quotes, and no other key")
        if not isinstance(value, str):
            raise PydanticKnownError("string_type")
        if problem := problem_of(value):
            raise ValueError(problem)
        return value

    return PlainValidator(check)


def _write_computable(value: str | Expression | None) -> Any:
    return {KEY: value.text} if isinstance(value, Expression) else value


def _computable_schema(text: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema(
        {
            "anyOf": [
                {"type": ["string", "null"], **text},
                {
                    "type": "object",
                    "properties": {KEY: {"type": "string"}},
                    "required": [KEY],
                    "additionalProperties": False,
                },
            ]
        }
    )


def _problem_of_label_value(text: str) -> str | None:
    return problem_of_template(text) if is_template(text) else names.problem_of_label_value(text)


LabelValue: TypeAlias = Annotated[
    str | Expression | None,
    _computable(_problem_of_label_value),
    PlainSerializer(_write_computable),
    _computable_schema(
        {
            "maxLength": names.MAX_NAME,
            "pattern": "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$",
        }
    ),
]
FieldManager: TypeAlias = Annotated[
    str,
    valid(names.problem_of_field_manager),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": names.MAX_FIELD_MANAGER}),
]
AnnotationKey: TypeAlias = Annotated[str, valid(names.problem_of_annotation_key)]
AnnotationPattern: TypeAlias = Annotated[str, valid(patterns.problem_of_annotation_pattern)]
"""The key of an annotation, or a pattern of keys."""
AnnotationValue: TypeAlias = Annotated[
    str | Expression | None,
    _computable(lambda _: None),
    PlainSerializer(_write_computable),
    _computable_schema({}),
]
CelText: TypeAlias = Annotated[str, Field(min_length=1)]
"""A CEL expression; `fleetpatch.model.plan.checks.expressions` compiles it."""

ContentDigest: TypeAlias = Annotated[
    str,
    AfterValidator(_content_digest),
    WithJsonSchema({"type": "string", "pattern": f"^{DIGEST.pattern}$"}),
]
"""The digest of a file's content."""

ListOf: TypeAlias = Annotated[tuple[_T, ...], Strict(strict=False), Field(min_length=1)]
"""A list that is not empty, as a tuple; pydantic's strict tuples would refuse lists."""

AnyOf: TypeAlias = Annotated[tuple[_T, ...], Strict(strict=False)]
"""A list that may be empty, as a tuple."""
