"""The pause and check before each wave, in virtual time and with a real run file.

Covered: the pause counted from the last success, over restarts and under a stepped wall clock;
promotion by hand; checks that hold, fail and are cut short; a wave that has begun, was given back
or has nothing to do; the deadline of a wave.
Left out: who is in which wave (tests/rules, tests/journal), how a check is made and whole runs
(tests/e2e/test_waves.py).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest

from fleetpatch.campaign.running.waves import Rollout, WaveHold
from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.cause import Cause, CauseCode
from fleetpatch.model.outcome import Reason
from fleetpatch.model.plan.section import section_of
from fleetpatch.model.plan.waves import WavesSection
from fleetpatch.model.run import RunState
from fleetpatch.model.target import Target
from tests.fakes import FakeEvents, FakeProgress, VirtualClock
from tests.journal.makers import draft, info, settle
from tests.values import replace

SIZES = [1, 2, 3]
PROMOTE = f"`fleetpatch resume {info().run} --promote` begins the next one"


def hold_for_promotion(done: int) -> WaveHold:
    due = Cause(CauseCode.PROMOTION_DUE, f"wave {done} of 3 is done; {PROMOTE}")
    return WaveHold(RunState.PAUSED, due)


@dataclass
class Steps:
    """A run of six targets in three waves, over two clusters.

    `said` is what the check returns, `found` what the verification returns.
    """

    path: Path
    clock: VirtualClock = field(default_factory=VirtualClock)
    events: FakeEvents = field(default_factory=FakeEvents)
    progress: FakeProgress = field(default_factory=FakeProgress)
    said: str = ""
    checked_at: list[float] = field(default_factory=list)
    found: Cause | None = None
    verified_at: list[tuple[int, float]] = field(default_factory=list)
    journal: RunFile = field(init=False)
    shutdown: Shutdown = field(init=False)

    def __post_init__(self) -> None:
        self.shutdown = Shutdown(self.clock)
        self.journal = RunFile.create(self.path, info(), now=self.clock.wall)
        self.journal.add(draft(f"job-{n}", cluster="north") for n in range(4))
        self.journal.add(draft(f"job-{n}", cluster="south") for n in range(2))
        self.journal.seal(sizes=SIZES, seed="x")

    def rollout(self, *, promoted: bool = False, **sections: object) -> Rollout:
        waves = section_of(WavesSection, {"sizes": SIZES, **sections})
        return Rollout(
            waves,
            journal=self.journal,
            clock=self.clock,
            log=self.events,
            shutdown=self.shutdown,
            verify=self._verify,
            check=self._check,
            progress=self.progress,
            promote=promoted,
        )

    def claim(self, number: int) -> list[Target]:
        """Claim all of a wave."""
        ends = self.journal.waves[number - 1].items()
        return [
            target
            for name, last in ends
            for target in self.journal.claim(name, limit=10, last=last)
        ]

    def finish(self, number: int, reason: Reason = Reason.PATCHED) -> None:
        """Bring all of a wave to this end, now."""
        self.journal.record(settle(self.claim(number), reason))

    def restart(self) -> None:
        """Close the run file and open it again."""
        self.journal.close()
        self.journal = RunFile.open(self.path, write=True, now=self.clock.wall)

    def logged(self) -> list[str]:
        return [line["event"] for line in self.events.lines]

    async def call_after(self, seconds: float) -> None:
        """Cut the waits short after so long."""
        await self.clock.sleep(seconds)
        self.shutdown.request()

    async def _verify(self, wave: int) -> Cause | None:
        self.verified_at.append((wave, self.clock.monotonic()))
        return self.found

    async def _check(self, _wave: int) -> str:
        self.checked_at.append(self.clock.monotonic())
        return self.said


@pytest.fixture
def steps(tmp_path: Path) -> Iterator[Steps]:
    run = Steps(tmp_path / "x.run")
    yield run
    run.journal.close()


async def test_the_first_wave_begins_at_once(steps: Steps) -> None:
    assert await steps.rollout(pause="10s", promote="manual").before(1) is None

    assert (steps.clock.slept, steps.checked_at) == ([], [])
    assert steps.events.lines == [
        {"level": "info", "event": "wave.started", "wave": 1, "of": 3, "targets": 1}
    ]
    assert steps.progress.waves == [(1, 3, None)]


# The pause


async def test_the_next_wave_begins_a_pause_after_the_last_success_and_then_checks(
    steps: Steps,
) -> None:
    await steps.clock.sleep(100)
    steps.finish(1)
    await steps.clock.sleep(4)

    assert await steps.rollout(pause="10s").before(2) is None

    assert steps.clock.monotonic() == 110
    assert steps.checked_at == [110]
    assert steps.logged() == ["wave.paused", "wave.started"]
    assert steps.events.lines[0]["until"] == "2027-01-15T08:01:50Z"
    assert steps.events.flushed == 1, "who looks at the log meanwhile sees the pause"


async def test_after_a_restart_only_the_rest_of_the_pause_is_left(steps: Steps) -> None:
    steps.finish(1)
    await steps.clock.sleep(6)
    steps.restart()
    steps.clock.slept.clear()

    assert await steps.rollout(pause="10s").before(2) is None

    assert steps.clock.slept == [4]


async def test_a_pause_that_has_passed_meanwhile_is_not_made_up_for(steps: Steps) -> None:
    steps.finish(1)
    await steps.clock.sleep(60)

    assert await steps.rollout(pause="10s").before(2) is None

    assert steps.clock.monotonic() == 60
    assert steps.logged() == ["wave.started"]


async def test_a_success_that_was_found_by_reading_is_followed_by_a_pause_as_well(
    steps: Steps,
) -> None:
    read = [replace(one, attempts=0, reads=1) for one in settle(steps.claim(1))]
    steps.journal.record(read)

    assert await steps.rollout(pause="10s").before(2) is None

    assert steps.clock.monotonic() == 10


async def test_without_a_success_the_pause_begins_with_the_last_end(steps: Steps) -> None:
    steps.finish(1, Reason.REJECTED)
    await steps.clock.sleep(6)
    steps.restart()

    assert await steps.rollout(pause="10s").before(2) is None

    assert steps.clock.monotonic() == 10


async def test_a_wall_clock_that_was_set_back_does_not_make_the_pause_longer(steps: Steps) -> None:
    await steps.clock.sleep(3600)
    steps.finish(1)
    steps.clock = VirtualClock()
    steps.shutdown = Shutdown(steps.clock)

    assert await steps.rollout(pause="10s").before(2) is None

    assert steps.clock.monotonic() == 10


async def test_a_pause_that_is_cut_short_begins_nothing_and_checks_nothing(steps: Steps) -> None:
    steps.finish(1)
    rollout = steps.rollout(pause="10s")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(steps.call_after, 3)
        assert await rollout.before(2) is None

    assert steps.clock.monotonic() == 3
    assert steps.checked_at == []
    assert steps.logged() == ["wave.paused"]


# By hand


async def test_with_manual_promotion_each_wave_waits_for_a_person(steps: Steps) -> None:
    steps.finish(1)

    held = await steps.rollout(promote="manual", pause="10s").before(2)

    assert held == hold_for_promotion(1)
    assert (steps.clock.slept, steps.checked_at, steps.logged()) == ([], [], [])


async def test_a_promotion_is_for_one_wave_and_spares_it_pause_and_check(steps: Steps) -> None:
    steps.finish(1)
    steps.said = "it never holds"
    rollout = steps.rollout(promote="manual", pause="10s", promoted=True)

    assert await rollout.before(2) is None

    assert (steps.clock.slept, steps.checked_at) == ([], [])
    assert steps.logged() == ["wave.promoted", "wave.started"]
    steps.finish(2)
    assert await rollout.before(3) == hold_for_promotion(2)


async def test_a_promotion_is_not_used_up_by_a_wave_that_had_begun(steps: Steps) -> None:
    steps.finish(1)
    steps.journal.record(settle(steps.claim(2)[:1]))
    steps.restart()
    rollout = steps.rollout(promote="manual", promoted=True)

    assert await rollout.before(2) is None
    assert steps.logged() == []

    for cluster in ("north", "south"):
        steps.journal.record(settle(steps.journal.in_doubt(cluster, after=0, limit=10)))
    assert await rollout.before(3) is None
    assert steps.logged() == ["wave.promoted", "wave.started"]


# The check


async def test_a_check_that_fails_halts_the_run_and_is_made_again_next_time(steps: Steps) -> None:
    steps.finish(1)
    steps.said = "the queue is long"
    rollout = steps.rollout(check={"command": ["true"]})

    held = await rollout.before(2)

    cause = f"the check after wave 1 of 3 failed: the queue is long; {PROMOTE} without the check"
    assert held == WaveHold(RunState.HALTED, Cause(CauseCode.CHECK_FAILED, cause))
    assert steps.logged() == []
    steps.said = ""
    assert await rollout.before(2) is None
    assert steps.logged() == ["wave.started"]


async def test_a_check_that_is_cut_short_is_not_held_against_the_run(steps: Steps) -> None:
    steps.finish(1)

    async def cut_short(_wave: int) -> str:
        steps.shutdown.request()
        return "it was not finished"

    rollout = steps.rollout(check={"command": ["true"]})
    rollout.check = cut_short

    assert await rollout.before(2) is None
    assert steps.logged() == []


# Waves that are under way, or need not be


async def test_a_wave_that_has_begun_continues_without_pause_or_check(steps: Steps) -> None:
    steps.finish(1)
    steps.claim(2)
    steps.restart()
    steps.said = "it never holds"

    assert await steps.rollout(pause="10s", promote="manual").before(2) is None

    assert (steps.clock.slept, steps.checked_at, steps.logged()) == ([], [], [])


async def test_a_wave_whose_targets_were_released_has_not_begun(steps: Steps) -> None:
    steps.finish(1)
    steps.journal.release(steps.claim(2))

    held = await steps.rollout(promote="manual").before(2)

    assert held is not None
    assert held.state is RunState.PAUSED


async def test_a_finished_wave_is_passed_over(steps: Steps) -> None:
    steps.finish(1)
    steps.finish(2)

    assert await steps.rollout(pause="10s").before(1) is None
    assert await steps.rollout(pause="10s").before(2) is None

    assert (steps.clock.slept, steps.logged()) == ([], [])


# The deadline


async def test_a_wave_that_takes_too_long_is_stopped(steps: Steps) -> None:
    stops: list[Cause] = []

    async with steps.rollout(deadline="90s").deadline(stops.append):
        await steps.clock.sleep(89)
        assert stops == []
        await steps.clock.sleep(2)

    (cause,) = stops
    assert cause.code is CauseCode.WAVE_DEADLINE_PASSED
    assert cause.text.startswith("the wave did not end within ")


@pytest.mark.parametrize("deadline", ["90s", "1h"])
async def test_a_wave_in_time_is_not_stopped(steps: Steps, deadline: str) -> None:
    stops: list[Cause] = []

    async with steps.rollout(deadline=deadline).deadline(stops.append):
        await steps.clock.sleep(80)
    await steps.clock.sleep(80)

    assert stops == []


async def test_a_wave_is_verified_after_its_pause_and_before_the_check(steps: Steps) -> None:
    steps.finish(1)

    assert await steps.rollout(pause="10s").before(2) is None

    assert steps.verified_at == [(1, 10.0)]
    assert steps.checked_at == [10.0]


@pytest.mark.parametrize(
    ("code", "state"),
    [
        (CauseCode.MAX_REVERTED, RunState.HALTED),
        (CauseCode.TARGETS_UNVERIFIED, RunState.PAUSED),
    ],
)
async def test_what_the_verification_found_holds_the_next_wave(
    steps: Steps, code: CauseCode, state: RunState
) -> None:
    steps.finish(1)
    steps.found = Cause(code, "3 were reverted")

    held = await steps.rollout(promote="manual").before(2)

    text = f"after wave 1 of 3: 3 were reverted; {PROMOTE} without the verification"
    assert held == WaveHold(state, Cause(code, text))
    assert steps.checked_at == []


async def test_a_promoted_wave_begins_without_the_verification(steps: Steps) -> None:
    steps.finish(1)

    assert await steps.rollout(promoted=True, promote="manual").before(2) is None

    assert steps.verified_at == []
