"""Workers that have nothing to send: without a target, or until a target may be sent again.

Without one each waits for room for one more request before it takes a target.

They wait apart from the line of the pacer. Room that an answer makes is left to the worker that was
answered, which needs it at once for its next target: to wake another task for each request costs a
tenth of all the work for a target.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from msgspec.structs import replace

from fleetpatch.engine.concurrency import Wakeup
from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.model.pace import Pace, PaceCause

T = TypeVar("T")


class IdleWorkers:
    """The workers of one pacer that have no target, or wait before they send theirs again.

    `must_wait` returns whether one more request must wait, if so many workers have been given room
    and have not asked to send yet.
    """

    def __init__(self, must_wait: Callable[[int], bool]) -> None:
        self._must_wait = must_wait
        self._waiting: deque[Wakeup] = deque()
        # Workers that were given room and have no target yet.
        self._expected = 0
        self._in_backoff = 0
        self._is_waking = False

    async def next_target(self, targets: AsyncIterator[T], shutdown: Shutdown) -> T | None:
        """Wait for room, and then for the next target; return None at the end of `targets`.

        The room is kept until then. If the caller sends, it asks the pacer to admit its request at
        once.
        """
        while self._must_wait(self._expected) and not shutdown.requested:
            await self._wait(shutdown)
        self._expected += 1
        try:
            return await anext(targets, None)
        finally:
            self._expected -= 1
            self.call()

    async def back_off(self, seconds: float, shutdown: Shutdown) -> None:
        """Wait before the target of a worker is sent again, or until the shutdown is requested."""
        self._in_backoff += 1
        try:
            await shutdown.sleep(seconds)
        finally:
            self._in_backoff -= 1

    def explained(self, pace: Pace, in_flight: int) -> Pace:
        """Return the pace; its cause is the backoff if more targets wait than are in flight.

        Anything else that limits the pace comes first.
        """
        if pace.cause is PaceCause.WORK and self._in_backoff > in_flight:
            return replace(pace, cause=PaceCause.BACKOFF)
        return pace

    def call(self) -> None:
        """Wake a worker in the next iteration of the event loop, if there is room then.

        By then the worker that was answered has taken the room, if it goes on with a target.
        """
        if self._waiting and not self._is_waking:
            self._is_waking = True
            asyncio.get_running_loop().call_soon(self._wake)

    async def _wait(self, shutdown: Shutdown) -> None:
        wakeup = Wakeup()
        self._waiting.append(wakeup)
        try:
            await shutdown.wait_for(wakeup)
        finally:
            # `_wake` has removed it, unless a shutdown or a cancellation ended the wait.
            if wakeup in self._waiting:
                self._waiting.remove(wakeup)
            self.call()

    def _wake(self) -> None:
        """Wake the first one. If another takes the room before, it waits again as the last one."""
        self._is_waking = False
        if self._waiting and not self._must_wait(self._expected):
            self._waiting.popleft().set()
