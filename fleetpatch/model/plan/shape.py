"""Validate the plain tree against the models, and reword pydantic's errors.

pydantic locates an error by the keys in the file, which is a `TreePath` except for its mark of a
wrong key. Its messages are replaced: `_what` covers each type of error that the models can raise.
Values within `auth` are never quoted.
"""

import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final, TypeAlias, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from fleetpatch.model.fields import Json
from fleetpatch.model.plan import auth_findings
from fleetpatch.model.plan.problems import Finding, TreePath
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.plan.section import NO_VALUE, Section
from fleetpatch.model.selectors.requirement import SelectorError

Source: TypeAlias = Callable[[TreePath], str | None]
"""Returns a scalar as it was written, or None."""

_KEY_MARK: Final = "[key]"
"""The last step of the location of an error, as pydantic writes it, if the key is not valid."""

_WORDS: Final = MappingProxyType(
    {
        "missing": "is missing; add it",
        "model_type": "must be a mapping of keys to values, not {name}",
        "dict_type": "must be a mapping of keys to values, not {name}",
        "mapping_type": "must be a mapping of keys to values, not {name}",
        "tuple_type": "must be a list, not {name}; begin each entry with '- ', or use [...]",
        "bool_type": "must be true or false, not {name}",
        "int_type": "must be a whole number, not {name}; write it without quotes and unit",
        "int_from_float": "must be a whole number, not {name}",
        "too_short": "is empty; add an entry, or remove it",
        "string_too_short": "is empty; add text, or remove it",
        "string_pattern_mismatch": (
            "must be the name of an environment variable: letters, digits and _, as in CCI_TOKEN"
        ),
        "literal_error": "must be {expected}",
        "enum": "must be {expected}",
        "greater_than": "must be more than {gt:g}",
        "greater_than_equal": "must be at least {ge}",
        "less_than_equal": "must be at most {le}",
    }
)
"""The message of each type of error, by pydantic's name, formatted with the error's values."""


def check_shape(tree: Json, source: Source) -> tuple[Plan | None, tuple[Finding, ...]]:
    """Return the plan of a tree, or None and all mistakes in it."""
    try:
        return Plan.model_validate(tree), ()
    except ValidationError as invalid:
        details = invalid.errors(include_url=False)
        return None, tuple(_finding(one, source) for one in details if not _is_consequence(one))


def _is_consequence(error: ErrorDetails) -> bool:
    """Report whether an error follows from another one.

    pydantic reports a list as empty after it has removed the wrong elements. In `auth`, the name of
    a variable is missing if the secret itself was written instead.
    """
    kind, value = error["type"], error["input"]
    if kind == "missing" and auth_findings.is_in_auth(error["loc"]):
        return any(map(auth_findings.names_secret, value))
    return kind == "too_short" and bool(value)


def _finding(error: ErrorDetails, source: Source) -> Finding:
    path: TreePath = error["loc"]
    # The mark is not a step of the file, so it must not stay in the path.
    of_key = path[-1:] == (_KEY_MARK,)
    if of_key:
        path = path[:-1]
    if auth_findings.is_in_auth(path):
        return _finding_in_auth(error, path)
    if error["type"] == "extra_forbidden":
        return Finding(path, _unknown_key(path), of_key=True)
    cause = error.get("ctx", {}).get("error")
    # It knows its column, so the problem is placed within the selector.
    if isinstance(cause, SelectorError):
        what = f"column {cause.column} of the selector: {cause.what}"
        return Finding(path, what, offset=cause.offset)
    return Finding(path, _what(error, source(path)), of_key=of_key)


def _finding_in_auth(error: ErrorDetails, path: TreePath) -> Finding:
    kind, value = error["type"], error["input"]
    # None of these messages quotes the value, and the last line passes no source for the same
    # reason.
    if kind == "extra_forbidden":
        return auth_findings.unknown_key(path, value, _keys_at(path[:-1]))
    if kind == "model_type" and isinstance(value, str | int | float):
        return auth_findings.secret_written(path)
    if kind == "string_type" and isinstance(value, int | float):
        return Finding(path, f"must be text, not {_type_name(value)}; put it in quotes")
    return Finding(path, _what(error, None))


def _what(error: ErrorDetails, written: str | None) -> str:
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if value is None:
        return NO_VALUE
    if kind == "string_type":
        return _not_text(value, written)
    words = _WORDS.get(kind, "is not allowed here; see the plan file's JSON Schema")
    return words.format(name=_type_name(value), **context) + _did_you_mean(value, context)


def _not_text(value: Json, written: str | None) -> str:
    if isinstance(value, dict | list):
        return f"must be text, not {_type_name(value)}"
    shown = written if written is not None else str(value)
    return f'must be text, and {shown} is {_type_name(value)}; put it in quotes: "{shown}"'


def _type_name(value: Json) -> str:
    match value:
        case bool():
            return "a truth value"
        case int():
            return "a number"
        case float():
            return "a fraction"
        case str():
            return "text"
        case list():
            return "a list"
    return "a mapping"


def _did_you_mean(value: Json, context: dict[str, Any]) -> str:
    # pydantic has the choices of a Literal only as text: "'version' or 'none'".
    choices = re.findall(r"'(.*?)'", context.get("expected", ""))
    if len(choices) < 2:  # noqa: PLR2004 - the message names a single one already
        return ""
    close = get_close_matches(str(value), choices, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _unknown_key(path: TreePath) -> str:
    known = sorted(_keys_at(path[:-1]))
    close = get_close_matches(str(path[-1]), known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"known here: {', '.join(known)}"
    return f"is not a key of a plan; {hint}"


def _keys_at(path: TreePath) -> set[str]:
    """Return the keys that the section at `path` may have."""
    section: type[Section] = Plan
    # Positions in lists, and keys that are no fields, do not change the section.
    for step in path:
        field = next((one for one in section.model_fields.values() if one.alias == step), None)
        if field:
            section = next(_sections(field.annotation), section)
    return {field.alias for field in section.model_fields.values() if field.alias}


def _sections(annotation: Any) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for argument in get_args(annotation):
        yield from _sections(argument)
