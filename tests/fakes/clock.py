"""A clock whose time passes only when the event loop is idle.

Sleepers wait in a heap. Whenever the event loop is idle, the clock jumps to the sleeper that is due
next and wakes only that one. So equal programs take equal paths, and an hour takes no time.

The loop is idle when its queue of ready callbacks is empty (asyncio keeps it as `_ready`; there is
no public way to read it) and no worker thread of anyio is busy: the result of a thread may wake any
task, so time does not pass until it has arrived. Sockets and real timers are not considered; tests
with a virtual clock have none. The loop must be asyncio's own.
"""

import asyncio
import heapq
from collections import deque
from itertools import count
from typing import Protocol, cast

import anyio
from anyio import to_thread
from anyio.lowlevel import checkpoint

EPOCH = 1_800_000_000.0
"""The wall clock's time when the monotonic clock is at 0: 2027-01-15 08:00 UTC."""


class _QueueingLoop(Protocol):
    _ready: deque[object]


class VirtualClock:
    """Implements the port Clock. Starts at 0; `slept` lists the seconds of all sleeps."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._now = 0.0
        self._sleepers: list[tuple[float, int, anyio.Event]] = []
        self._order = count()
        self._watching = False

    def monotonic(self) -> float:
        return self._now

    def wall(self) -> float:
        return EPOCH + self._now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if seconds <= 0:
            await checkpoint()
            return
        sleeper = (self._now + seconds, next(self._order), anyio.Event())
        heapq.heappush(self._sleepers, sleeper)
        self._watch()
        try:
            await sleeper[2].wait()
        finally:
            # Time must not pass because of a sleeper that was cancelled.
            if sleeper in self._sleepers:
                self._sleepers.remove(sleeper)
                heapq.heapify(self._sleepers)

    def _watch(self) -> None:
        if self._watching:
            return
        self._watching = True
        loop, threads = asyncio.get_running_loop(), to_thread.current_default_thread_limiter()
        queue = cast("_QueueingLoop", loop)._ready

        def look() -> None:
            if queue or threads.borrowed_tokens:
                loop.call_soon(look)
                return
            self._watching = False
            if self._sleepers:
                self._now, _, event = heapq.heappop(self._sleepers)
                event.set()
            if self._sleepers:
                self._watching = True
                loop.call_soon(look)

        loop.call_soon(look)
