"""Says what is wrong with the type of a value, in the words of people who write YAML."""

from typing import Any


def not_a_mapping(value: Any) -> str:
    """Say that a value is not a mapping."""
    return f"must be a mapping of keys to values, not {type_name(value)}"


def not_text(value: Any, written: str | None) -> str:
    """Say that a value is not text, as it was written."""
    if isinstance(value, dict | list | tuple):
        return f"must be text, not {type_name(value)}"
    shown = written if written is not None else str(value)
    return f'must be text, and {shown} is {type_name(value)}; put it in quotes: "{shown}"'


def not_text_unquoted(value: Any) -> str:
    """Say that a value is not text, without the value, which may be a secret."""
    quotes = "" if isinstance(value, dict | list | tuple) else "; put it in quotes"
    return f"must be text, not {type_name(value)}{quotes}"


def type_name(value: Any) -> str:
    """Return what a value of YAML is, in words."""
    match value:
        case bool():
            return "a truth value"
        case int():
            return "a number"
        case float():
            return "a fraction"
        case str():
            return "text"
        case list() | tuple():
            return "a list"
        case None:
            return "no value"
    return "a mapping"
