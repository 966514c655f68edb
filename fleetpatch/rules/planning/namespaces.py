"""The namespaces that a target block of a plan selects."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

_WILD = frozenset("*?[")


def exact(patterns: Sequence[str]) -> tuple[str, ...] | None:
    """Return the names if `patterns` has no glob and no exclusion, else None.

    Such a block does not need the right to list namespaces.
    """
    if not patterns or any(p.startswith("!") or _WILD & set(p) for p in patterns):
        return None
    return tuple(sorted(set(patterns)))


def select(patterns: Sequence[str], names: Iterable[str]) -> tuple[str, ...]:
    """The `names` that some pattern includes and none excludes, sorted.

    A pattern with `!` excludes, at any position. Exclusions alone include all other names.
    """
    excluded = [p.removeprefix("!") for p in patterns if p.startswith("!")]
    included = [p for p in patterns if not p.startswith("!")] or ["*"]
    return tuple(
        sorted(
            name
            for name in names
            if any(fnmatchcase(name, p) for p in included)
            and not any(fnmatchcase(name, p) for p in excluded)
        )
    )
