"""The pacer: every request to one cluster waits here until it may be sent.

`fleetpatch.rules.pacing` decides when that is. A request is admitted at once if nothing waits and
the rules allow it. The others wait in line, in the order in which they came. An answer makes room,
so it hands permits to the first waiters. Where only time makes room (a rate, or a pause), the first
waiter sleeps until then, and the others are not woken before it.

A permit is returned with the answer, from which the rules learn.
"""

import random
from collections import deque
from collections.abc import Callable
from math import inf

import anyio

from fleetpatch.engine.pace_report import PaceReport
from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.model.answer import Answer, Reply
from fleetpatch.model.pace import Ceilings, Pace
from fleetpatch.model.ports import Clock
from fleetpatch.rules.pacing.governor import Governor, Permit
from fleetpatch.rules.pacing.reply_signal import ReplySignal, signal_of
from fleetpatch.rules.pacing.tuning import Tuning
from fleetpatch.rules.running.backoff import retry_after

_LONGEST_PAUSE = 30.0
_UNBOUNDED = 1_000_000
_TUNING = Tuning()


class _Waiter:
    """A request in line. `called` is set when it has got a permit, or should ask again."""

    __slots__ = ("called", "is_asleep", "permit")

    def __init__(self) -> None:
        self.called = anyio.Event()
        self.permit: Permit | None = None
        self.is_asleep = False

    def take(self) -> Permit | None:
        """Return the permit, which is the request's own from now on."""
        permit, self.permit = self.permit, None
        return permit


def _silent(_old: Pace, _new: Pace) -> None:
    """Say nothing."""


class Pacer:
    """The pace of one cluster, shared by all who send to it.

    `rate` a second with `burst` at once and `concurrency` in flight are ceilings; below them, an
    `adaptive` pace follows what the server shows. If nearly everything is refused, all requests
    pause, for `longest_pause` seconds at most. `random` is uniform in [0, 1). `on_change` is called
    with the reported and the new pace (`PaceReport`).
    """

    def __init__(
        self,
        clock: Clock,
        rate: float | None = None,
        burst: int = 1,
        concurrency: int = _UNBOUNDED,
        *,
        adaptive: bool = False,
        longest_pause: float = _LONGEST_PAUSE,
        random: Callable[[], float] = random.random,
        on_change: Callable[[Pace, Pace], None] = _silent,
        tuning: Tuning = _TUNING,
    ) -> None:
        self._clock = clock
        self._longest_pause = longest_pause
        now = clock.monotonic()
        ceilings = Ceilings(rate, burst, concurrency, adaptive)
        self._governor = Governor(ceilings, now, random, tuning)
        self._line: deque[_Waiter] = deque()
        self._report = PaceReport(self._governor.pace(now), tuning, on_change)

    @property
    def pace(self) -> Pace:
        """How fast it goes, and what limits it at the moment."""
        return self._governor.pace(self._clock.monotonic())

    async def admit(self, halt: Shutdown) -> Permit | None:
        """Wait until the next request may go; None where `halt` is called before that.

        Whoever gets a permit sends at once, and gives it to `answered`.
        """
        if halt.requested:
            return None
        if not self._line:
            turn = self._governor.admit(self._clock.monotonic())
            if isinstance(turn, Permit):
                return turn
        return await self._wait_in_line(halt)

    def answered(self, permit: Permit, reply: Reply) -> None:
        """Give a permit back with what came for it."""
        now = self._clock.monotonic()
        signal, wait = signal_of(reply), 0.0
        if isinstance(reply, Answer) and signal is ReplySignal.REFUSED:
            wait = min(self._longest_pause, retry_after(reply, self._clock.wall()) or 0.0)
        self._governor.answered(permit, signal, now, wait)
        self._admit_waiting()
        if signal is ReplySignal.REFUSED or self._report.is_due(now):
            self._report.note(self._governor.pace(now), now)

    def unused(self) -> None:
        """Take a permit back for which nothing was sent."""
        self._governor.unused(self._clock.monotonic())
        self._admit_waiting()

    async def _wait_in_line(self, halt: Shutdown) -> Permit | None:
        waiter = _Waiter()
        self._line.append(waiter)
        try:
            while waiter.permit is None and not halt.requested:
                wait = self._admit_waiting() if self._line[0] is waiter else inf
                if waiter.permit is not None:
                    break
                if wait < inf:
                    waiter.is_asleep = True
                    await halt.sleep(wait)
                    waiter.is_asleep = False
                else:
                    await halt.wait_for(waiter.called)
                    if waiter.permit is None:
                        waiter.called = anyio.Event()
            return None if halt.requested else waiter.take()
        finally:
            # Only now: a request that comes meanwhile must not overtake this one.
            self._line.remove(waiter)
            if waiter.permit is not None:
                # The shutdown, or a cancellation, came after the permit.
                self._governor.unused(self._clock.monotonic())
            self._admit_waiting()

    def _first_waiting(self) -> "_Waiter | None":
        """Return the first in line that has no permit yet."""
        return next((waiter for waiter in self._line if waiter.permit is None), None)

    def _admit_waiting(self) -> float:
        """Hand permits to the first waiters; returns the seconds until there may be another one.

        A waiter that sleeps until its time asks by itself: it would not notice a permit.
        """
        now = self._clock.monotonic()
        while (waiter := self._first_waiting()) is not None and not waiter.is_asleep:
            turn = self._governor.admit(now)
            if not isinstance(turn, Permit):
                if turn < inf:
                    # Only the first waiter sleeps, and it may not know yet that it is the first.
                    waiter.called.set()
                return turn
            waiter.permit = turn
            waiter.called.set()
        return inf
