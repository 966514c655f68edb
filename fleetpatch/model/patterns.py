"""Patterns of keys: a beginning and `*`, as in `old.example.com/*` and `team-*`."""

from collections.abc import Callable
from typing import Final

from fleetpatch.model.names import problem_of_annotation_key, problem_of_label_key, show

_WILDCARD: Final = "*"


def is_pattern(key: str) -> bool:
    """Report whether a key of a patch is a pattern, and not the key of a label or annotation."""
    # Neither labels nor annotations may have the character in their keys.
    return _WILDCARD in key


def problem_of_label_pattern(pattern: str) -> str | None:
    """Return what is wrong with a label key or a pattern of label keys."""
    return _problem(pattern, problem_of_label_key)


def problem_of_annotation_pattern(pattern: str) -> str | None:
    """Return what is wrong with an annotation key or a pattern of annotation keys."""
    return _problem(pattern, problem_of_annotation_key)


def beginning(pattern: str) -> str:
    """Return what the keys begin with that match a pattern."""
    return pattern.removesuffix(_WILDCARD)


def _problem(pattern: str, problem_of_key: Callable[[str], str | None]) -> str | None:
    if not is_pattern(pattern):
        return problem_of_key(pattern)
    begins = beginning(pattern)
    if not begins:
        return "'*' would remove every key; write a prefix, as in 'old.example.com/*'"
    if is_pattern(begins):
        return (
            f"{show(pattern)} is not a valid pattern: only one '*' is allowed, and at the end, as"
            " in 'old.example.com/*'"
        )
    # A pattern that no valid key can match is a mistake.
    if problem := problem_of_key(f"{begins}x"):
        return f"{show(pattern)} cannot match a key: {problem}"
    return None
