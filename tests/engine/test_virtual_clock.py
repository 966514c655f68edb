"""The clock that other tests rely on: time passes only when the event loop is idle.

Covered: order, cancellation, worker threads. Left out: other event loops, which it does not serve.
"""

import threading

import anyio
from anyio import to_thread

from tests.fakes import VirtualClock


async def test_an_hour_takes_no_time_and_sleepers_wake_in_order_of_their_due_times() -> None:
    clock = VirtualClock()
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.monotonic()))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sleeper, "late", 3600.0)
        tasks.start_soon(sleeper, "early", 1.0)
        tasks.start_soon(sleeper, "early too", 1.0)

    assert woken == [("early", 1.0), ("early too", 1.0), ("late", 3600.0)]


async def test_time_does_not_pass_while_a_task_is_busy() -> None:
    clock = VirtualClock()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.sleep, 10.0)
        for _ in range(100):
            await anyio.lowlevel.checkpoint()
            assert clock.monotonic() == 0.0

    assert clock.monotonic() == 10.0


async def test_time_does_not_pass_while_a_thread_works() -> None:
    clock = VirtualClock()
    may_end = threading.Event()

    async def work() -> None:
        await to_thread.run_sync(may_end.wait)
        assert clock.monotonic() == 0.0

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.sleep, 10.0)
        tasks.start_soon(work)
        await anyio.sleep(0.01)
        may_end.set()

    assert clock.monotonic() == 10.0


async def test_time_does_not_pass_for_a_cancelled_sleeper() -> None:
    clock = VirtualClock()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.sleep, 3600.0)
        await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    await clock.sleep(1.0)

    assert clock.monotonic() == 1.0
