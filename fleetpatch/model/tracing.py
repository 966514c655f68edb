"""The port of traces: spans, and the header with which a request joins a trace.

`fleetpatch.tracing` implements it; `NoSpan` is used where traces are off.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeAlias

Value: TypeAlias = str | int | float | bool


class Span(Protocol):
    """Something that takes time, as a part of a trace; it ends with its block."""

    @property
    def is_on(self) -> bool:
        """Whether there are traces at all."""
        ...

    def child(
        self, name: str, attributes: Mapping[str, Value], *, is_request: bool = False
    ) -> AbstractContextManager["Span"]:
        """Begin a span below this one, which ends with the block; an error in it is noted."""
        ...

    def note(self, attributes: Mapping[str, Value]) -> None:
        """Add attributes."""
        ...

    def event(self, name: str, attributes: Mapping[str, Value]) -> None:
        """Add something that happened now."""
        ...

    def fail(self, text: str) -> None:
        """Note that it failed, and why."""
        ...

    def traceparent(self, *, sampled: bool) -> str:
        """Return the W3C header of a request below this span; `sampled` asks its server to trace.

        Empty where traces are off.
        """
        ...


class NoSpan:
    """Implements `Span` where traces are off."""

    is_on = False

    @contextmanager
    def child(
        self, _name: str, _attributes: Mapping[str, Value], *, is_request: bool = False
    ) -> Iterator[Span]:
        """Yield the same again."""
        del is_request
        yield self

    def note(self, attributes: Mapping[str, Value]) -> None:
        """Do nothing."""

    def event(self, name: str, attributes: Mapping[str, Value]) -> None:
        """Do nothing."""

    def fail(self, text: str) -> None:
        """Do nothing."""

    def traceparent(self, *, sampled: bool) -> str:  # noqa: ARG002 - the port's
        """Return nothing."""
        return ""


class RemoteSpan(NoSpan):
    """The span of another process, whose header `header` returns; nothing is recorded here."""

    is_on = True

    def __init__(self, header: Callable[[], str]) -> None:
        self._header = header

    def traceparent(self, *, sampled: bool) -> str:
        """Return the header; it asks to trace only if the other process does."""
        header = self._header()
        return header if sampled else header[:-1] + "0"


def joined(version_and_ids: str, *, sampled: bool) -> str:
    """Write the header from its first three parts."""
    return f"{version_and_ids}-{'01' if sampled else '00'}"
