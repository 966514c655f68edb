"""The types of values that several sections of a plan have.

Each is an annotation for a key of a section: the type in Python, and how a file has it.
"""

import re
from collections.abc import Callable
from typing import Annotated, Any, Final, TypeAlias, TypeGuard, TypeVar

from fleetpatch.model import names, patterns, units
from fleetpatch.model.plan.section import NotEmpty
from fleetpatch.model.plan.value_types import Custom, Integer, Parsed, Schema, Text
from fleetpatch.model.selectors.field_selector import FieldSelector
from fleetpatch.model.selectors.label_selector import Selector
from fleetpatch.model.units import Amount, Percent

_T = TypeVar("_T")

DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")

NonEmptyList: TypeAlias = Annotated[tuple[_T, ...], NotEmpty()]
"""A list that is not empty."""

PERCENT_PATTERN: Final = r"^[0-9]+(\.[0-9]+)?%$"


def problem_of_empty(text: str) -> str | None:
    """Return what is wrong with `text` if it is empty."""
    return None if text else "is empty; add text, or remove it"


def _more_than_zero(number: float) -> str | None:
    return None if number > 0 else "must be more than 0"


def duration_type(problem_of: Callable[[float], str | None] | None = None) -> Parsed:
    """Make the type of a duration in seconds."""
    pattern = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"
    return Parsed(
        units.read_duration,
        units.write_duration,
        "text such as 30s or 5m",
        problem_of,
        keywords={"pattern": pattern, "examples": ["30s", "5m", "1h30m"]},
    )


def text_type(problem_of: Callable[[str], str | None], **keywords: Any) -> Text:
    """Make the type of a text; `keywords` are what its JSON Schema has in addition."""
    return Text(problem_of, keywords=keywords)


def _read_amount(value: object) -> Amount:
    if isinstance(value, str):
        return units.read_percent(value)
    # A bool is an int in Python, but `true` is not a count.
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("must be a count such as 10, or a percentage such as 10%")
    return value


def _write_amount(value: Amount) -> int | str:
    return str(value) if isinstance(value, Percent) else value


def amount_type(*, zero: str = "") -> Custom:
    """Make the type of a count or a percentage; `zero` says what is wrong with none at all."""

    def read(value: object) -> Amount:
        amount = _read_amount(value)
        if zero and amount == 0:
            raise ValueError(zero)
        return amount

    forms: list[Schema] = [
        {"type": "integer", "minimum": 1 if zero else 0},
        {"type": "string", "pattern": PERCENT_PATTERN},
    ]
    return Custom(read, _write_amount, keywords={"anyOf": forms})


def is_digest(value: object) -> TypeGuard[str]:
    """Report whether a value is the digest of a file, as it is written."""
    return isinstance(value, str) and DIGEST.fullmatch(value) is not None


def _problem_of_digest(text: str) -> str | None:
    if is_digest(text):
        return None
    return "must be sha256: and 64 hexadecimal digits in lower case"


Seconds: TypeAlias = Annotated[float, duration_type()]
PositiveSeconds: TypeAlias = Annotated[float, duration_type(_more_than_zero)]
Count: TypeAlias = Annotated[int, Integer(1)]
NonEmptyText: TypeAlias = Annotated[str, text_type(problem_of_empty, minLength=1)]

PerSecond: TypeAlias = Annotated[
    float,
    Parsed(
        units.read_rate,
        units.write_rate,
        "text such as 100/s",
        keywords={"pattern": r"^[0-9]+(\.[0-9]+)?/[smh]$", "examples": ["100/s", "600/m"]},
    ),
]

Percentage: TypeAlias = Annotated[
    Percent,
    Parsed(
        units.read_percent,
        str,
        "text such as 10%",
        keywords={"pattern": PERCENT_PATTERN, "examples": ["10%"]},
    ),
]

CountOrPercentage: TypeAlias = Annotated[Amount, amount_type()]

LabelSelector: TypeAlias = Annotated[
    Selector,
    Parsed(
        Selector.parse,
        str,
        'text such as "app in (etl, train)"',
        keywords={"examples": ["app in (etl, train), tier != gold"]},
    ),
]

ObjectFieldSelector: TypeAlias = Annotated[
    FieldSelector,
    Parsed(
        FieldSelector.parse,
        str,
        'text such as "status.successful=0"',
        keywords={"examples": ["status.successful=0"]},
    ),
]

DnsLabel: TypeAlias = Annotated[
    str, text_type(names.problem_of_dns_label, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
]
LabelKey: TypeAlias = Annotated[str, text_type(names.problem_of_label_key)]
LabelPattern: TypeAlias = Annotated[str, text_type(patterns.problem_of_label_pattern)]
"""The key of a label, or a pattern of keys."""
AnnotationKey: TypeAlias = Annotated[str, text_type(names.problem_of_annotation_key)]
AnnotationPattern: TypeAlias = Annotated[str, text_type(patterns.problem_of_annotation_pattern)]
"""The key of an annotation, or a pattern of keys."""
FieldManager: TypeAlias = Annotated[
    str,
    text_type(names.problem_of_field_manager, minLength=1, maxLength=names.MAX_FIELD_MANAGER),
]
CelText: TypeAlias = NonEmptyText
"""A CEL expression; `fleetpatch.model.plan.checks.expressions` compiles it."""
ContentDigest: TypeAlias = Annotated[
    str, text_type(_problem_of_digest, pattern=f"^{DIGEST.pattern}$")
]
"""The digest of a file's content."""
