"""The rollout of a run in waves: the pause and the check before each wave.

A wave begins when the wave before it has ended, the pause since its last success is over, its
objects were verified if the plan asks for that, and the check has passed. All of this is read from
the run file, so a run that was stopped in a pause, or halted by a check, continues from there. A
wave with a claimed target has begun and is not delayed again.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import anyio
import msgspec

from fleetpatch.engine import events
from fleetpatch.engine.clock import sleep_monotonic
from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.cause import Cause, CauseCode, by_gravity
from fleetpatch.model.plan.waves import WavesSection
from fleetpatch.model.ports import Clock, Events, Progress
from fleetpatch.model.run import RunState
from fleetpatch.model.times import rfc3339
from fleetpatch.report.wording import duration
from fleetpatch.rules.running.run_state import LEFT_OPEN


def awaits_a_wave(journal: RunFile) -> bool:
    """Return whether a wave after the first one has not begun yet, so that a check comes first."""
    waves = [journal.wave(number) for number in range(2, len(journal.waves) + 1)]
    return any(wave.open and not wave.claimed for wave in waves)


def wave_incomplete(journal: RunFile, causes: Sequence[Cause]) -> Cause:
    """Say which wave is held open, and what left its targets open."""
    first, *_ = by_gravity(causes) or [LEFT_OPEN]
    waves = len(journal.waves)
    number = next(n for n in range(1, waves + 1) if journal.wave(n).open)
    text = f"wave {number} of {waves} has open targets, so the next one does not begin"
    return Cause(CauseCode.WAVE_INCOMPLETE, f"{text}: {first}")


class WaveHold(msgspec.Struct, frozen=True):
    """Why the next wave must not begin: the state that the run gets, and the cause."""

    state: RunState
    cause: Cause


class Rollout(msgspec.Struct):
    """The waves of one run; with `promote` the next one begins without pause and check.

    `verify` and `check` are called with the number of the wave that has ended, from 1. They return
    why the next one must not begin; None, or '' if the check passed. `shutdown` ends a pause.
    """

    waves: WavesSection
    journal: RunFile
    clock: Clock
    log: Events
    shutdown: Shutdown
    verify: Callable[[int], Awaitable[Cause | None]]
    check: Callable[[int], Awaitable[str]]
    progress: Progress
    promote: bool = False

    async def before(self, number: int) -> WaveHold | None:
        """Pause and check before the wave `number`, from 1; return why it must not begin.

        Returns None as well if `shutdown` ended the wait early.
        """
        wave = self.journal.wave(number)
        if wave.claimed or not wave.open:
            return None
        if number > 1 and (hold := await self._after(number - 1)):
            return hold
        if self.shutdown.requested:
            return None
        events.wave_started(self.log, wave=number, of=self._count, targets=wave.open)
        self.progress.wave(number, self._count, None)
        return None

    @asynccontextmanager
    async def deadline(self, stop: Callable[[Cause], None]) -> AsyncIterator[None]:
        """Call `stop` if the block, which is one wave, exceeds the deadline of a wave."""
        async with anyio.create_task_group() as tasks:
            if self.waves.deadline is not None:
                tasks.start_soon(self._expire, self.waves.deadline, stop)
            yield
            tasks.cancel_scope.cancel()

    @property
    def _count(self) -> int:
        return len(self.journal.waves)

    async def _after(self, number: int) -> WaveHold | None:
        done = f"wave {number} of {self._count}"
        promote = f"`fleetpatch resume {self.journal.info.run} --promote` begins the next one"
        if self.promote:
            self.promote = False  # it is for one wave only
            events.wave_promoted(self.log, wave=number + 1, of=self._count)
            return None
        by_hand = self.waves.promote == "manual"
        if not by_hand:
            await self._pause(number)
        if not self.shutdown.requested and (cause := await self.verify(number)):
            text = f"after {done}: {cause}; {promote} without the verification"
            is_halted = cause.code is CauseCode.MAX_REVERTED
            state = RunState.HALTED if is_halted else RunState.PAUSED
            return WaveHold(state, Cause(cause.code, text))
        if self.shutdown.requested:
            return None
        if by_hand:
            due = Cause(CauseCode.PROMOTION_DUE, f"{done} is done; {promote}")
            return WaveHold(RunState.PAUSED, due)
        # The result of a check that was ended early is meaningless.
        if (why := await self.check(number)) and not self.shutdown.requested:
            text = f"the check after {done} failed: {why}; {promote} without the check"
            return WaveHold(RunState.HALTED, Cause(CauseCode.CHECK_FAILED, text))
        return None

    async def _pause(self, number: int) -> None:
        over_at = self.journal.wave(number).over_at
        if over_at is None:  # no target of that wave has ended
            return
        until = over_at + self.waves.pause
        if (seconds := until - self.clock.wall()) <= 0:
            return
        shown = rfc3339(until)
        events.wave_paused(self.log, wave=number, of=self._count, until=shown)
        self.progress.wave(number + 1, self._count, until)
        # Bounded: a wall clock that is set back must not make the pause longer than planned.
        await self.shutdown.sleep(min(seconds, self.waves.pause))

    async def _expire(self, seconds: float, stop: Callable[[Cause], None]) -> None:
        await sleep_monotonic(self.clock, seconds)
        text = f"the wave did not end within {duration(seconds)}"
        stop(Cause(CauseCode.WAVE_DEADLINE_PASSED, text))
