"""Streams without the detour: what is there is taken, and what has room is put, at once.

anyio's `send` and `receive` go round the event loop once even where they need not wait. At three
such rounds for each target that cost as much as the HTTP exchange itself. Nobody starves without
them: a worker waits for its server in every turn, and a feeder for room.

One error instead of a group of them.

A task group wraps whatever a task raises, even a single error. What a caller can act on is the
first one, with its own cause still behind it.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Self, TypeVar

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

T = TypeVar("T")


async def put(stream: MemoryObjectSendStream[T], item: T) -> None:
    """Send `item`, waiting only where there is no room."""
    try:
        stream.send_nowait(item)
    except anyio.WouldBlock:
        await stream.send(item)


class EagerReceiver(AsyncIterator[T]):
    """Iterates over a stream until its end, waiting only while it is empty."""

    def __init__(self, stream: MemoryObjectReceiveStream[T]) -> None:
        self._stream = stream

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        try:
            return self._stream.receive_nowait()
        except anyio.WouldBlock:
            return await self._stream.__anext__()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None


@contextmanager
def unwrapped_group() -> Iterator[None]:
    """Raise the first error of an ExceptionGroup in its place."""
    try:
        yield
    except ExceptionGroup as broken:
        failure = _first(broken)
        raise failure from failure.__cause__


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner
