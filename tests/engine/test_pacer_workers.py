"""Workers that wait for room before they take a target, on random schedules in virtual time.

Covered: no wake-up is lost, few are made, and no ceiling is exceeded, while the stream runs dry,
requests are refused and repeated, servers are silent, permits are returned unused, workers are
cancelled and replaced, ceilings change, and a shutdown comes. Left out: how well the pace does.
"""

import asyncio
from dataclasses import dataclass, field
from random import Random

import anyio
import pytest
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


class CountingShutdown(Shutdown):
    """Counts the waits for a wake-up."""

    waits = 0

    async def wait_for(self, wakeup: Wakeup) -> None:
        """Wait as usual."""
        self.waits += 1
        await super().wait_for(wakeup)


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
            self.rate,
            draw.choice([1, 5]),
            self.ceiling,
            adaptive=self.adaptive,
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
                await self.pacer.wait_for_room(self.halt)
                try:
                    target = await anext(received, None)
                finally:
                    self.pacer.took_target()
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
            self.pacer.unused()
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
    # A request waits once in line and once for room, and may be woken in vain; so may each worker.
    assert one.halt.waits <= 4 * one.requests + 8 * (one.workers + one.cancellations + 1)
