"""Helpers for anyio: a non-blocking fast path for memory streams, and single errors of task groups.

anyio's `send` and `receive` yield to the event loop even if they need not wait. At three such
yields for each target that costs as much CPU as the HTTP exchange. Other tasks still run: a worker
awaits its server for each target, and a feeder waits for room in its stream. `anyio.Event` looks up
its backend at each creation, so a worker that waits for each request has a `Wakeup` instead. Only a
wait that time may end as well costs a `CancelScope`.

A task group wraps even a single error in an ExceptionGroup. Callers handle the first error, which
keeps its own cause.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Self, TypeVar

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from fleetpatch.model.ports import Clock

T = TypeVar("T")


async def put(stream: MemoryObjectSendStream[T], item: T) -> None:
    """Send `item`; wait only if the stream is full."""
    try:
        stream.send_nowait(item)
    except anyio.WouldBlock:
        await stream.send(item)


class EagerReceiver(AsyncIterator[T]):
    """Iterates over a stream until its end; waits only while the stream is empty."""

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


class Wakeup:
    """Wakes one task, any number of times; `set` has no effect while the task does not wait."""

    __slots__ = ("_sleeping", "_waiting")

    def __init__(self) -> None:
        self._waiting: asyncio.Future[None] | None = None
        self._sleeping: anyio.CancelScope | None = None

    def set(self) -> None:
        """Let `wait` or `sleep` return."""
        # Done: it was set before, or the task was cancelled while it waited.
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
        if self._sleeping is not None:
            self._sleeping.cancel()

    async def wait(self) -> None:
        """Wait for the next `set`."""
        self._waiting = asyncio.get_running_loop().create_future()
        await self._waiting

    async def sleep(self, clock: Clock, seconds: float) -> None:
        """Wait for the next `set`, and for so many seconds at most."""
        try:
            with anyio.CancelScope() as self._sleeping:
                await clock.sleep(seconds)
        finally:
            self._sleeping = None


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
    # Groups nest where a task group runs inside a task of another one.
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner
