"""The guard of a maintenance window, in virtual time.

Covered: when it lets pass and when it closes, a clock stepped forwards and back, waiting for an
opening, causes. Left out: when windows are open (tests/rules/running/test_window.py), a whole
campaign over windows (tests/e2e/test_windows.py).
"""

import anyio

from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.engine.window import WindowGuard
from fleetpatch.model.plan.section import section_of
from fleetpatch.model.plan.window import WindowSection
from tests.fakes import VirtualClock

HOUR = 3600.0


class SteppedClock(VirtualClock):
    """A virtual clock whose wall clock is set."""

    step = 0.0

    def wall(self) -> float:
        return super().wall() + self.step


def guard_of(clock: VirtualClock, closed: list[str], **window: object) -> WindowGuard:
    """Open from 08:30 to 09:30 UTC; the virtual clock starts at 08:00."""
    section = {"opens": "30 8 * * *", "lasts": "1h", "drain": "1m", **window}
    return WindowGuard(
        section_of(WindowSection, section).window(),
        clock,
        lambda cause: closed.append(cause.text),
    )


async def test_it_lets_pass_from_the_opening_to_the_cutoff() -> None:
    clock, closed = VirtualClock(), list[str]()
    window = guard_of(clock, closed)

    assert not window.holds()
    await clock.sleep(HOUR / 2)
    assert window.holds()
    await clock.sleep(HOUR - 61)
    assert window.holds()
    await clock.sleep(1)
    assert not window.holds()
    assert closed == [
        "the window is closed; it opens next at 2027-01-15T08:30:00+00:00 (UTC)",
        "the window is closed; it opens next at 2027-01-16T08:30:00+00:00 (UTC)",
    ]


async def test_a_watch_ends_when_it_closes() -> None:
    clock, closed = VirtualClock(), list[str]()
    window = guard_of(clock, closed)
    await clock.sleep(HOUR / 2)

    await window.watch()

    assert clock.monotonic() == 1.5 * HOUR - 60
    assert len(closed) == 1


async def test_a_clock_that_is_set_is_noticed_before_the_next_request() -> None:
    clock, closed = SteppedClock(), list[str]()
    window = guard_of(clock, closed)
    await clock.sleep(HOUR / 2)
    assert window.holds()

    clock.step = 2 * HOUR
    assert not window.holds()
    clock.step = -2 * HOUR
    assert not window.holds()
    clock.step = 0
    assert window.holds()


async def test_a_watch_notices_a_machine_that_slept() -> None:
    clock, closed = SteppedClock(), list[str]()
    window = guard_of(clock, closed)
    await clock.sleep(HOUR / 2)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(window.watch)
        await clock.sleep(10)
        clock.step = 8 * HOUR

    assert clock.monotonic() < HOUR / 2 + 61
    assert len(closed) == 1


async def test_the_wait_ends_when_the_window_opens() -> None:
    clock = VirtualClock()
    window = guard_of(clock, [])

    assert await window.wait(Shutdown(clock))
    assert clock.monotonic() == HOUR / 2
    assert window.status().may_send


async def test_waiting_ends_with_a_shutdown() -> None:
    clock = VirtualClock()
    shutdown = Shutdown(clock)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(guard_of(clock, []).wait, shutdown)
        await clock.sleep(5)
        shutdown.request()

    assert clock.monotonic() == 5


async def test_a_window_that_never_opens_again_is_not_waited_for() -> None:
    clock, closed = VirtualClock(), list[str]()
    window = guard_of(clock, closed, blackouts=["2027-01-01..2999-12-31"])

    assert not await window.wait(Shutdown(clock))
    assert not window.holds()
    assert "does not open again" in closed[0]
