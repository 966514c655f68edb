"""The pacer: every request to one cluster stands in one line before it.

When the next one may go is decided by `fleetpatch.rules.pacing`; here is the waiting. Who comes
while nobody waits, and may go, goes at once. The others line up, and only the first in line asks:
it sleeps as long as it is told to, or until a request in flight is answered, and when it goes the
next one moves up. So requests leave in the order in which they came, whatever the limits do
meanwhile, and a pause wakes nobody before its time.

Who goes holds a permit, and gives it back with the answer, from which the limits learn.
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
        self._line: deque[anyio.Event] = deque()
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
        return await self._stand_in_line(halt)

    def answered(self, permit: Permit, reply: Reply) -> None:
        """Give a permit back with what came for it."""
        now = self._clock.monotonic()
        wait = None
        if isinstance(reply, Answer) and (reply.retry_after or reply.retry_after_seconds):
            wait = min(self._longest_pause, retry_after(reply, self._clock.wall()) or 0.0)
        self._governor.answered(permit, signal_of(reply), now, wait)
        self._next()
        if wait or now >= self._next_word:
            self._tell(now)

    def unused(self) -> None:
        """Take a permit back for which nothing was sent."""
        self._governor.unused(self._clock.monotonic())
        self._next()

    async def _stand_in_line(self, halt: Shutdown) -> Permit | None:
        place = anyio.Event()
        self._line.append(place)
        try:
            while not halt.requested:
                wait = inf
                if self._line[0] is place:
                    turn = self._governor.admit(self._clock.monotonic())
                    if isinstance(turn, Permit):
                        return turn
                    wait = turn
                if wait < inf:
                    await halt.sleep(wait)
                else:
                    await halt.wait_for(place)
                    self._line[self._line.index(place)] = place = anyio.Event()
            return None
        finally:
            self._line.remove(place)
            self._next()

    def _next(self) -> None:
        """Let the first in line ask again."""
        if self._line:
            self._line[0].set()

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
