"""The pacer.

Covered: its rate as a property over any arrivals, the order of waiters, the burst, no rate,
cancelled waiters. Left out: how it is shared by the tasks of a lane (test_pipeline.py).
"""

import asyncio
from collections.abc import Sequence

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.engine.pacer import Pacer
from tests.fakes import VirtualClock

TOLERANCE = 1e-6


async def passes(
    rate: float | None, burst: int, arrivals: Sequence[float]
) -> list[tuple[int, float]]:
    """Who passed when, in the order of passing; `arrivals` are seconds, sorted."""
    clock = VirtualClock()
    pacer = Pacer(clock, rate, burst)
    passed: list[tuple[int, float]] = []

    async def arrive(number: int, at: float) -> None:
        await clock.sleep(at)
        await clock.sleep(pacer.reserve())
        passed.append((number, clock.monotonic()))

    async with anyio.create_task_group() as tasks:
        for number, at in enumerate(arrivals):
            tasks.start_soon(arrive, number, at)
    return passed


ARRIVALS = st.lists(st.floats(0.001, 20), min_size=1, max_size=40).map(sorted)


@given(rate=st.floats(0.1, 1000), burst=st.integers(1, 20), arrivals=ARRIVALS)
def test_no_window_holds_more_than_burst_and_rate_allow(
    rate: float, burst: int, arrivals: list[float]
) -> None:
    times = [at for _, at in asyncio.run(passes(rate, burst, arrivals))]

    assert len(times) == len(arrivals)
    for first, start in enumerate(times):
        for last, end in enumerate(times[first:], first):
            assert last - first + 1 <= burst + rate * (end - start) + TOLERANCE * rate


@given(rate=st.floats(0.1, 1000), burst=st.integers(1, 20), arrivals=ARRIVALS)
def test_who_comes_first_passes_first(rate: float, burst: int, arrivals: list[float]) -> None:
    order = [number for number, _ in asyncio.run(passes(rate, burst, arrivals))]

    assert order == sorted(order)


async def test_nobody_waits_longer_than_the_rate_demands() -> None:
    assert await passes(2.0, 2, [1.0] * 5) == [
        (0, 1.0),
        (1, 1.0),
        (2, 1.5),
        (3, 2.0),
        (4, 2.5),
    ]


async def test_idle_time_fills_the_bucket_up_to_the_burst_and_no_further() -> None:
    times = [at for _, at in await passes(1.0, 2, [1.0, 1.0, 1000.0, 1000.0, 1000.0])]

    assert times == [1.0, 1.0, 1000.0, 1000.0, 1001.0]


async def test_without_a_rate_everybody_passes_at_once() -> None:
    times = [at for _, at in await passes(None, 1, [1.0] * 1000)]

    assert times == [1.0] * 1000


async def test_a_waiter_that_is_cancelled_keeps_nobody_from_passing() -> None:
    clock = VirtualClock()
    pacer = Pacer(clock, 1.0)
    await clock.sleep(pacer.reserve())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: clock.sleep(pacer.reserve()))
        await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    await clock.sleep(pacer.reserve())

    assert clock.monotonic() == pytest.approx(2.0)
