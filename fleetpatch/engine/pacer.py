"""The pacer: every request to one cluster waits here until it may be sent.

`fleetpatch.rules.pacing` decides when that is. Only the first in line asks, and sleeps until its
time, or until an answer makes room; then the next one moves up. So requests are sent in the order
in which they came, and a pause that begins meanwhile holds for all of them.
"""

import random
from collections import deque
from collections.abc import Callable
from math import inf

from fleetpatch.engine.concurrency import Wakeup
from fleetpatch.engine.idle_workers import IdleWorkers
from fleetpatch.engine.pace_report import PaceReport
from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.engine.silent_server import SilentServer
from fleetpatch.model.answer import Answer, Reply
from fleetpatch.model.pace import Ceilings, Pace
from fleetpatch.model.ports import Clock
from fleetpatch.rules.answers.reply_signal import TROUBLE, signal_of
from fleetpatch.rules.pacing.governor import Governor, Permit
from fleetpatch.rules.pacing.tuning import Tuning
from fleetpatch.rules.running.backoff import retry_after


class Pacer:
    """The pace of one cluster, shared by all who send to it.

    Below the ceilings an `adaptive` pace follows what the server shows. If nearly everything is
    refused, all requests pause, at most for 1.1 times `longest_pause` or a second. `random` is
    uniform in [0, 1). `on_change` is called with the reported and the new pace (`PaceReport`).
    `count_left`, set by a lane, counts the targets not sent yet; infinite if that is not known.
    """

    def __init__(
        self,
        clock: Clock,
        ceilings: Ceilings,
        *,
        longest_pause: float = 30.0,
        random: Callable[[], float] = random.random,
        on_change: Callable[[Pace, Pace], None] = lambda _old, _new: None,
    ) -> None:
        self._clock, self._longest_pause = clock, longest_pause
        now, tuning = clock.monotonic(), Tuning()
        self._governor = Governor(ceilings, now, random, tuning)
        self._line, self._silence = deque[Wakeup](), SilentServer()
        self.count_left: Callable[[], float] = lambda: inf
        self.idle_workers = IdleWorkers(self._must_wait)
        self._report = PaceReport(self._governor.pace(now), tuning, on_change)

    @property
    def pace(self) -> Pace:
        """The pace at the moment, and what limits it."""
        now = self._clock.monotonic()
        pace = self.idle_workers.explained(self._governor.pace(now), self.in_flight)
        return self._silence.explained(pace, now)

    @property
    def in_flight(self) -> int:
        """The number of requests that are not answered yet."""
        return self._governor.at_server

    def change(self, ceilings: Ceilings) -> None:
        """Replace the ceilings; what the server has shown is kept, and the number of workers."""
        self._governor.change(ceilings, self._clock.monotonic())
        self._call_next()

    async def admit(self, shutdown: Shutdown) -> Permit | None:
        """Wait until the next request may be sent; return None if the shutdown comes first.

        The caller sends at once and returns the permit: to `answered`, or by `unused`.
        """
        wakeup = Wakeup()
        self._line.append(wakeup)
        try:
            while not shutdown.requested:
                turn: Permit | float = inf
                if self._line[0] is wakeup:
                    turn = self._governor.admit(self._clock.monotonic())
                if isinstance(turn, Permit):
                    self._silence.sent(turn.sent_at)
                    return turn
                await shutdown.wait_for(wakeup, turn)
            return None
        finally:
            self._line.remove(wakeup)
            self._call_next()

    def answered(self, permit: Permit, reply: Reply) -> None:
        """Return a permit with the reply to its request."""
        now, signal, wait = self._clock.monotonic(), signal_of(reply), 0.0
        if isinstance(reply, Answer) and signal in TROUBLE:
            wait = min(self._longest_pause, retry_after(reply, self._clock.wall()) or 0.0)
        self._governor.answered(permit, signal, now, wait, self.count_left())
        self._silence.replied(permit.sent_at, signal, now, self.in_flight)
        self._call_next()
        if signal in TROUBLE or self._report.is_due(now):
            self._report.note(self.pace, now)

    def unused(self, permit: Permit) -> None:
        """Return a permit with which nothing was sent."""
        self._governor.unused(permit, self._clock.monotonic())
        self._call_next()

    def _call_next(self) -> None:
        """Let the first in line ask again; if there is none, let an idle worker see the room."""
        if self._line:
            self._line[0].set()
        else:
            self.idle_workers.call()

    def _must_wait(self, expected: int) -> bool:
        """Return whether the line, or requests in flight and those expected, leave no room."""
        return bool(self._line) or self._governor.is_full(expected)
