"""The system clock. Covered: its three methods, on both event loops, with waits of milliseconds."""

import time

import anyio
import pytest

from fleetpatch.engine.clock import SystemClock


async def test_the_clock_reads_what_the_operating_system_says() -> None:
    clock = SystemClock()

    assert abs(clock.wall() - time.time()) < 60
    assert clock.monotonic() >= time.monotonic() - 60


@pytest.mark.parametrize("seconds", [0.0, -0.001])
async def test_sleeping_lets_others_run_however_little_is_left(seconds: float) -> None:
    ran: list[str] = []

    async def other() -> None:
        ran.append("other")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other)
        await SystemClock().sleep(seconds)
        assert ran == ["other"]


@pytest.mark.parametrize("uvloop", [False, True])
def test_no_sleep_is_shorter_than_was_asked_for(uvloop: bool) -> None:
    async def shortest() -> float:
        clock, lengths = SystemClock(), list[float]()
        for _ in range(20):
            began = clock.monotonic()
            await clock.sleep(0.0014)
            lengths.append(clock.monotonic() - began)
        return min(lengths)

    assert anyio.run(shortest, backend_options={"use_uvloop": uvloop}) >= 0.0014
