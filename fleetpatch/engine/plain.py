"""One error instead of a group of them.

A task group wraps whatever a task raises, even a single error. What a caller can act on is the
first one, with its own cause still behind it.
"""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def plain_errors() -> Iterator[None]:
    """Raise the first error of an ExceptionGroup in its place."""
    try:
        yield
    except ExceptionGroup as broken:
        failure = _first(broken)
        raise failure from failure.__cause__


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner
