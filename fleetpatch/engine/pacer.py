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

from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.model.answer import Answer, Reply
from fleetpatch.model.ports import Clock
from fleetpatch.rules.pacing.governor import Ceilings, Governor, Pace, Permit
from fleetpatch.rules.pacing.reply_signal import signal_of
from fleetpatch.rules.running.backoff import retry_after

_WORD_EVERY = 1.0
"""Seconds between two words about the pace, at least."""

_WORTH_A_WORD = 0.2
"""A change of this share of a limit is worth a word."""

_LONGEST_PAUSE = 30.0
_UNBOUNDED = 1_000_000


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
    `adaptive` pace follows what the server shows. A Retry-After pauses everybody, for
    `longest_pause` seconds at most. `random` is uniform in [0, 1). `on_change` is told the old and
    the new pace when it has changed by a fifth or is limited by something else, at most once a
    second.
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
    ) -> None:
        self._clock = clock
        self._longest_pause = longest_pause
        self._on_change = on_change
        now = clock.monotonic()
        ceilings = Ceilings(rate, burst, concurrency, adaptive)
        self._governor = Governor(ceilings, now, random)
        self._line: deque[_Waiter] = deque()
        self._told = self._governor.pace(now)
        self._next_word = now + _WORD_EVERY

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
        wait = None
        if isinstance(reply, Answer) and (reply.retry_after or reply.retry_after_seconds):
            wait = min(self._longest_pause, retry_after(reply, self._clock.wall()) or 0.0)
        self._governor.answered(permit, signal_of(reply), now, wait)
        self._admit_waiting()
        if wait or now >= self._next_word:
            self._tell(now)

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

    def _tell(self, now: float) -> None:
        """Tell of the pace, where it has changed enough."""
        self._next_word = now + _WORD_EVERY
        old, new = self._told, self._governor.pace(now)
        if (
            new.cause is not old.cause
            or _differs(old.concurrency, new.concurrency)
            or _differs(old.rate or inf, new.rate or inf)
        ):
            self._told = new
            self._on_change(old, new)


def _differs(old: float, new: float) -> bool:
    return old != new and (inf in (old, new) or abs(new - old) >= _WORTH_A_WORD * old)
