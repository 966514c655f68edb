"""Values of labels and annotations: text, null, or an expression that computes text."""

from typing import Annotated, Any, TypeAlias

from fleetpatch.model import names
from fleetpatch.model.computed import KEY, Expression, expression_of
from fleetpatch.model.fields import Json
from fleetpatch.model.plan.problems import TreePath
from fleetpatch.model.plan.templates import is_template, problem_of_template
from fleetpatch.model.plan.value_types import Reader, Schema, Text, ValueType


class Computable(ValueType, frozen=True, eq=False):
    """Text, null, or `{cel: TEXT}`; `literal` is the type of a text that is not computed."""

    literal: Text

    def read(self, value: Any, path: TreePath, reader: Reader) -> str | Expression | None:
        """Return the text or the expression. Raises ValueError."""
        if value is None:
            return None
        if expression := expression_of(value):
            return expression
        if isinstance(value, dict) and KEY in value:
            raise ValueError(f"an expression is {{{KEY}: TEXT}}: text in quotes, and no other key")
        return self.literal.read(value, path, reader)

    def write(self, value: Any) -> Json:
        """Return the text or the expression as a file has it."""
        return {KEY: value.text} if isinstance(value, Expression) else value


def _computable(literal: Text) -> Computable:
    expression: Schema = {
        "type": "object",
        "properties": {KEY: {"type": "string"}},
        "required": [KEY],
        "additionalProperties": False,
    }
    text: Schema = {"type": ["string", "null"], **literal.keywords}
    return Computable(literal, takes_null=True, keywords={"anyOf": [text, expression]})


def _problem_of_label_value(text: str) -> str | None:
    return problem_of_template(text) if is_template(text) else names.problem_of_label_value(text)


LabelValue: TypeAlias = Annotated[
    str | Expression | None,
    _computable(
        Text(
            _problem_of_label_value,
            keywords={
                "maxLength": names.MAX_NAME,
                "pattern": "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$",
            },
        )
    ),
]
AnnotationValue: TypeAlias = Annotated[str | Expression | None, _computable(Text())]
