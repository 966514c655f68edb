"""The namespaces that a target block of a plan selects."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

_WILD = frozenset("*?[")  # of fnmatch; no name of a namespace contains them


def exact(patterns: Sequence[str]) -> tuple[str, ...] | None:
    """Return the names if `patterns` has no glob and no exclusion, else None.

    The names are used as they are, so such a block does not need the right to list namespaces.
    """
    if not patterns or any(p.startswith("!") or _WILD & set(p) for p in patterns):
        return None
    return tuple(sorted(set(patterns)))


def named(patterns: Sequence[str]) -> tuple[str, ...]:
    """Return the patterns that are names of single namespaces: no glob and no exclusion."""
    return tuple(p for p in patterns if not p.startswith("!") and not _WILD & set(p))


def select(patterns: Sequence[str], names: Iterable[str]) -> tuple[str, ...]:
    """Return the `names` that a pattern includes and that no pattern excludes, sorted.

    A pattern that starts with `!` excludes; its position does not matter. If all patterns exclude,
    all other names are included.
    """
    # `fnmatchcase`, because `fnmatch` ignores case on some systems.
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
