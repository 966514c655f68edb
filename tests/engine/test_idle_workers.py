"""Workers that wait for room before they take a target, in virtual time.

Covered: who gets room and who is woken. On random schedules: no wake-up is lost, few are made, and
no ceiling is exceeded, while the stream runs dry, requests are refused and repeated, servers are
silent, permits are returned unused, workers are cancelled and replaced, ceilings change, and a
shutdown comes. Left out: how well the pace does.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from math import inf
from random import Random

import anyio
import pytest
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from fleetpatch.engine.concurrency import EagerReceiver, Wakeup
from fleetpatch.engine.pacer import Pacer
from fleetpatch.engine.shutdown import Shutdown
from fleetpatch.model.answer import Answer, NoAnswer, Reply, Silence
from fleetpatch.model.pace import Ceilings
from tests.fakes import VirtualClock, ok, seen_job

FINE = ok(seen_job())
LONGEST = 40_000.0
"""Seconds after which a schedule counts as stuck."""


class Targets(AsyncIterator[int]):
    """So many targets; while the feeder is `late`, the next one and the end are awaited."""

    def __init__(self, count: int) -> None:
        self._left = count
        self.late: anyio.Event | None = None

    async def __anext__(self) -> int:
        if self.late is not None:
            await self.late.wait()
        if not self._left:
            raise StopAsyncIteration
        self._left -= 1
        return self._left


class Workers:
    """Workers of one pacer, which take a target once there is room; each request takes a second.

    There is room for one request. `sent` holds who sent when.
    """

    def __init__(self, targets: int) -> None:
        self.clock = VirtualClock()
        self.pacer = Pacer(self.clock, Ceilings(concurrency=1))
        self.halt = Shutdown(self.clock)
        self.sent = list[tuple[str, float]]()
        self.ended = list[str]()
        self.targets = Targets(targets)

    def start(self, tasks: TaskGroup, names: str) -> None:
        for name in names:
            tasks.start_soon(self.work, name)

    async def work(self, name: str) -> None:
        idle = self.pacer.idle_workers
        while await idle.next_target(self.targets, self.halt) is not None:
            await self.send(name)
        self.ended.append(name)

    async def send(self, name: str) -> None:
        permit = await self.pacer.admit(self.halt)
        if permit is None:
            return
        self.sent.append((name, self.clock.monotonic()))
        await self.clock.sleep(1.0)
        self.pacer.answered(permit, FINE)


async def test_room_is_left_to_the_worker_that_was_answered() -> None:
    workers = Workers(targets=3)

    async with anyio.create_task_group() as tasks:
        workers.start(tasks, "abc")

    assert workers.sent == [("a", 0.0), ("a", 1.0), ("a", 2.0)]
    assert sorted(workers.ended) == ["a", "b", "c"]


async def test_workers_without_a_target_take_the_room_that_a_higher_ceiling_makes() -> None:
    workers = Workers(targets=7)

    async with anyio.create_task_group() as tasks:
        workers.start(tasks, "abcd")
        await workers.clock.sleep(0.5)
        workers.pacer.change(Ceilings(None, 1, 3, adaptive=False))

    assert workers.sent[:3] == [("a", 0.0), ("b", 0.5), ("c", 0.5)]
    assert [at for _, at in workers.sent] == [0.0, 0.5, 0.5, 1.0, 1.5, 1.5, 2.0]


async def test_a_request_in_line_goes_before_those_of_workers_without_a_target() -> None:
    workers = Workers(targets=2)

    async with anyio.create_task_group() as tasks:
        workers.start(tasks, "ab")
        await workers.clock.sleep(0.5)
        tasks.start_soon(workers.send, "retry")

    assert [name for name, _ in workers.sent][:2] == ["a", "retry"]
    assert len(workers.sent) == 3
    assert sorted(workers.ended) == ["a", "b"]


async def test_after_a_request_in_line_workers_do_not_take_turns() -> None:
    workers = Workers(targets=4)

    async def retry_and_work() -> None:
        await workers.send("b")
        await workers.work("b")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(workers.work, "a")
        await workers.clock.sleep(0.5)
        tasks.start_soon(retry_and_work)

    assert [name for name, _ in workers.sent] == ["a", "b", "b", "b", "b"]


async def test_a_halt_ends_the_wait_for_room() -> None:
    workers = Workers(targets=9)

    async with anyio.create_task_group() as tasks:
        workers.start(tasks, "abc")
        await workers.clock.sleep(0.5)
        workers.halt.request()
        await anyio.wait_all_tasks_blocked()
        assert sorted(workers.ended) == ["b", "c"]

    assert workers.sent == [("a", 0.0)]


async def test_a_worker_that_is_cancelled_while_it_waits_for_room_stops_no_other_one() -> None:
    workers = Workers(targets=2)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(workers.send, "a")
        await anyio.wait_all_tasks_blocked()
        async with anyio.create_task_group() as cancelled:
            cancelled.start_soon(workers.work, "b")
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(workers.work, "c")
            await anyio.wait_all_tasks_blocked()
            cancelled.cancel_scope.cancel()

    assert [name for name, _ in workers.sent] == ["a", "c", "c"]


async def test_a_wake_up_of_a_worker_that_is_cancelled_goes_to_another_one() -> None:
    workers = Workers(targets=1)
    permit = await workers.pacer.admit(workers.halt)
    assert permit is not None
    first = asyncio.create_task(workers.work("a"))
    await anyio.wait_all_tasks_blocked()
    second = asyncio.create_task(workers.work("b"))
    await anyio.wait_all_tasks_blocked()

    workers.pacer.answered(permit, FINE)
    # The wake-up is made in this iteration of the loop, and followed in the next.
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first, second])

    assert first.cancelled()
    assert workers.sent == [("b", 0.0)]


async def test_a_worker_that_gets_no_target_gives_its_room_to_the_next_one() -> None:
    workers = Workers(targets=0)
    workers.targets.late = anyio.Event()

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            workers.start(tasks, "ab")
            await anyio.wait_all_tasks_blocked()
            assert not workers.ended
            workers.targets.late.set()

    assert workers.ended == ["a", "b"]


async def test_a_worker_that_waits_for_a_target_keeps_its_room() -> None:
    workers = Workers(targets=2)
    workers.targets.late = anyio.Event()

    async with anyio.create_task_group() as tasks:
        workers.start(tasks, "ab")
        await anyio.wait_all_tasks_blocked()
        # "b" waits for room, and not for a target as well.
        workers.targets.late.set()

    assert workers.sent == [("a", 0.0), ("a", 1.0)]


async def test_a_worker_that_is_cancelled_before_it_has_a_target_gives_its_room_back() -> None:
    workers = Workers(targets=1)
    workers.targets.late = anyio.Event()

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            first = asyncio.create_task(workers.work("a"))
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(workers.work, "b")
            await anyio.wait_all_tasks_blocked()
            first.cancel()
            workers.targets.late.set()

    assert workers.sent == [("b", 0.0)]


class CountingShutdown(Shutdown):
    """Counts the waits for a wake-up."""

    waits = 0

    async def wait_for(self, wakeup: Wakeup, seconds: float = inf) -> None:
        """Wait as usual."""
        self.waits += 1
        await super().wait_for(wakeup, seconds)


@dataclass
class Schedule:
    """What happens is drawn by `random`; `ended` holds the targets that need no more requests."""

    random: Random
    clock: VirtualClock = field(default_factory=VirtualClock)
    ended: set[int] = field(default_factory=set)
    requests: int = 0
    cancellations: int = 0

    def __post_init__(self) -> None:
        draw = self.random
        self.ceiling, self.rate = draw.choice([1, 2, 3, 8, 20]), draw.choice([None, None, 5.0, 200])
        self.adaptive = draw.random() < 0.6
        self.pacer = Pacer(
            self.clock,
            Ceilings(self.rate, draw.choice([1, 5]), self.ceiling, self.adaptive),
            longest_pause=5.0,
            random=draw.random,
        )
        self.halt = CountingShutdown(self.clock)
        self.workers, self.targets = draw.choice([1, 2, 5, 25, 60]), draw.choice([0, 1, 7, 60, 150])
        self.refused, self.silent = draw.choice([0, 0.1, 0.5, 0.95]), draw.choice([0, 0, 0.02, 0.3])
        self.latency, self.chunk = draw.choice([0.001, 0.05, 1.0]), draw.choice([1, 3, 64, 200])
        self.is_disturbed, self.is_dry = draw.random() < 0.3, draw.random() < 0.3
        self.stop_at = draw.choice([None, None, None, draw.uniform(0.0, 3.0)])

    async def run(self) -> None:
        feed, items = anyio.create_memory_object_stream[int](self.chunk)
        async with anyio.create_task_group() as around:
            around.start_soon(self._steer)
            with anyio.fail_after(60), items:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._feed, feed)
                    for _ in range(self.workers):
                        tasks.start_soon(self._work_on, items)
            around.cancel_scope.cancel()

    async def _feed(self, feed: MemoryObjectSendStream[int]) -> None:
        async with feed:
            for target in range(self.targets):
                if self.is_dry and self.random.random() < 0.05:
                    await self.clock.sleep(self.random.choice([0.01, 1.0]))
                await feed.send(target)

    async def _work_on(self, items: MemoryObjectReceiveStream[int]) -> None:
        """Work, with another worker in the place of one that is cancelled."""
        while True:
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as tasks:
                    if self.is_disturbed:
                        tasks.start_soon(self._cancel_later, scope)
                    await self._work(items)
                    tasks.cancel_scope.cancel()
            if not scope.cancelled_caught:
                return
            self.cancellations += 1

    async def _cancel_later(self, scope: anyio.CancelScope) -> None:
        await self.clock.sleep(self.random.choice([0.05, 0.5, 30.0, 300.0]))
        # At any moment between a wake-up and what follows it.
        for _ in range(self.random.randrange(4)):
            await asyncio.sleep(0)
        scope.cancel()

    async def _work(self, items: MemoryObjectReceiveStream[int]) -> None:
        async with items.clone() as own:
            received = EagerReceiver(own)
            while True:
                target = await self.pacer.idle_workers.next_target(received, self.halt)
                if target is None:
                    return
                try:
                    await self._patch()
                finally:
                    self.ended.add(target)

    async def _patch(self) -> None:
        for attempt in range(5):
            if self.halt.requested or await self._send(is_last=attempt == 4):
                return
            if self.random.random() < 0.8:
                await self.halt.sleep(self.random.choice([0.01, 0.2, 2.0]))

    async def _send(self, *, is_last: bool) -> bool:
        """Send a request; return whether it was accepted."""
        permit = await self.pacer.admit(self.halt)
        if permit is None:
            return False
        assert self.pacer.in_flight <= self.ceiling
        if self.random.random() < 0.03:
            self.pacer.unused(permit)
            return False
        self.requests += 1
        seconds, reply = (self.latency, FINE) if is_last else self._reply()
        try:
            await self.clock.sleep(seconds)
        finally:
            self.pacer.answered(permit, reply)
        return reply is FINE

    def _reply(self) -> tuple[float, Reply]:
        draw = self.random
        if draw.random() < self.silent:
            return 30.0, NoAnswer(Silence.TIMEOUT)
        if draw.random() < self.refused:
            after = draw.choice([None, "0", "1", "3"])
            return 0.3 * self.latency, Answer(draw.choice([429, 503]), retry_after=after)
        return self.latency * draw.uniform(0.5, 1.5), FINE

    async def _steer(self) -> None:
        """Change the ceilings, and request the shutdown; fail after so many virtual seconds."""
        for _ in range(self.random.choice([0, 0, 3])):
            await self.clock.sleep(self.random.choice([0.01, 0.3, 2.0]))
            self.ceiling = self.random.choice([1, 2, 20, 40])
            self.pacer.change(Ceilings(self.rate, 3, self.ceiling, adaptive=self.adaptive))
        if self.stop_at is not None:
            await self.clock.sleep(self.stop_at)
            self.halt.request()
        await self.clock.sleep(LONGEST)
        raise AssertionError(f"stuck with {len(self.ended)} of {self.targets} targets")


@pytest.mark.parametrize("seed", range(120))
async def test_no_worker_sleeps_for_ever_and_few_are_woken(seed: int) -> None:
    one = Schedule(Random(seed))

    await one.run()

    assert one.pacer.in_flight == 0
    if not one.is_disturbed:
        assert one.ended == set(range(one.targets))
    # A request waits once in line and once for room, and may be woken early; so may each worker.
    assert one.halt.waits <= 4 * one.requests + 8 * (one.workers + one.cancellations + 1)
