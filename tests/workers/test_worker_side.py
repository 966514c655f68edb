"""A worker's side of the protocol, with a coordinator that a test scripts.

Covered: the send deadline is counted from the report that was answered, what has no answer is sent
again on the next connection, the end of the session. Left out: lanes and servers (test_runs.py).
"""

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import pytest

from fleetpatch.model.run import RunInfo
from fleetpatch.workers.channel import Channel, DisconnectedError
from fleetpatch.workers.connection import GIVE_UP, Connection
from fleetpatch.workers.messages import (
    Answer,
    Claim,
    Dismissed,
    FromCoordinator,
    FromWorker,
    Hello,
    Orders,
    Release,
    Welcome,
    Work,
    WorkerReport,
    decode_from_worker,
    encode,
)
from fleetpatch.workers.remote_journal import Call, RemoteJournal, ShardLostError
from fleetpatch.workers.send_deadline import SendDeadline
from tests.fakes import VirtualClock
from tests.workers.memory_channel import MemoryChannel, pair

WELCOME = Welcome(Work(RunInfo("run", "x", "d", "{}", "t", "by", "1", ())))


class ScriptedCoordinator:
    """The coordinator's end; `reachable` says whether a connection can be made."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.reachable = True
        self.overs = 0
        self.deadline = SendDeadline(self.clock, self._note_over)
        hello = Hello("session", "agent", "tcp://0", "0")
        self.connection = Connection(self._connect, hello, self.deadline, self.clock, self._ignore)
        self._made, self._next = anyio.create_memory_object_stream[MemoryChannel](math.inf)
        self.channel: MemoryChannel | None = None
        self.is_over: bool | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the worker's connection while the block runs, which must end it."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._run)
            yield
        self._made.close()
        self._next.close()
        if self.channel is not None:
            self.channel.close()

    async def accept(self) -> None:
        """Take the next connection, and welcome the worker."""
        self.channel = await self._next.receive()
        assert isinstance(await self.receive(), Hello)
        await self.send(WELCOME)

    async def cut(self) -> None:
        """Close the connection."""
        assert self.channel is not None
        self.channel.close()

    async def receive(self) -> FromWorker:
        """Return the worker's next message."""
        assert self.channel is not None
        return decode_from_worker(await self.channel.receive())

    async def send(self, message: FromCoordinator) -> None:
        """Send a message to the worker."""
        assert self.channel is not None
        await self.channel.send(encode(message))

    async def dismiss(self) -> None:
        """End the session."""
        await self.send(Dismissed(ended=True))

    async def _run(self) -> None:
        self.is_over = await self.connection.run()

    async def _connect(self) -> Channel:
        if not self.reachable:
            raise DisconnectedError
        own, other = pair()
        await self._made.send(other)
        return own

    def _ignore(self, _message: object) -> None:
        """Do nothing."""

    def _note_over(self) -> None:
        self.overs += 1


async def test_the_send_deadline_is_counted_from_the_report_that_was_answered() -> None:
    home = ScriptedCoordinator()
    async with home.running(), anyio.create_task_group() as tasks:
        await home.accept()
        assert not home.deadline.may_send()
        tasks.start_soon(home.connection.report, ())
        report = await home.receive()
        assert isinstance(report, WorkerReport)
        await home.clock.sleep(2)
        await home.send(Orders(report.sent, report.sequence, 5.0, ()))
        await home.clock.sleep(2.5)
        assert home.deadline.may_send()
        await home.clock.sleep(0.6)
        assert not home.deadline.may_send()
        await home.dismiss()

    assert home.overs == 2


async def test_a_second_answer_to_an_old_report_does_not_extend_the_deadline() -> None:
    home = ScriptedCoordinator()
    async with home.running(), anyio.create_task_group() as tasks:
        await home.accept()
        tasks.start_soon(home.connection.report, ())
        report = await home.receive()
        assert isinstance(report, WorkerReport)
        for _ in range(3):
            await home.send(Orders(report.sent, report.sequence, 5.0, ()))
            await home.clock.sleep(2)
        assert not home.deadline.may_send()
        await home.dismiss()


async def test_what_has_no_answer_is_sent_again_on_the_next_connection() -> None:
    home = ScriptedCoordinator()
    journal = RemoteJournal(7, home.connection.call, home.clock)
    claimed: list[object] = []

    async def claim() -> None:
        claimed.append(await journal.claim("prod-a", limit=10))

    async with home.running(), anyio.create_task_group() as tasks:
        await home.accept()
        tasks.start_soon(claim)
        first = await home.receive()
        tasks.start_soon(home.connection.report, ())
        report = await home.receive()
        await home.cut()
        await home.accept()
        again, report_again = await home.receive(), await home.receive()
        assert isinstance(first, Claim)
        assert isinstance(report, WorkerReport)
        assert isinstance(report_again, WorkerReport)
        assert again == first
        assert report_again.sequence == report.sequence
        assert report_again.sent > report.sent
        await home.send(Answer(first.call))
        await home.send(Orders(report_again.sent, report.sequence, 5.0, ()))
        await home.dismiss()

    assert claimed == [[]]


async def test_calls_that_wait_end_with_the_session() -> None:
    home = ScriptedCoordinator()
    journal = RemoteJournal(7, home.connection.call, home.clock)
    lost: list[bool] = []

    async def release() -> None:
        with pytest.raises(ShardLostError):
            await journal.release([])
        lost.append(True)

    async with home.running(), anyio.create_task_group() as tasks:
        await home.accept()
        tasks.start_soon(release)
        assert isinstance(await home.receive(), Release)
        await home.dismiss()

    assert lost == [True]
    assert home.is_over


async def test_a_refused_call_says_that_the_shard_is_lost() -> None:
    home = ScriptedCoordinator()
    journal = RemoteJournal(7, home.connection.call, home.clock)

    async def refused() -> None:
        with pytest.raises(ShardLostError):
            await journal.in_doubt("prod-a", after=0, limit=10)

    async with home.running(), anyio.create_task_group() as tasks:
        await home.accept()
        tasks.start_soon(refused)
        await home.receive()
        await home.send(Answer(1, refused=True))
        await home.dismiss()


async def test_a_worker_gives_up_a_coordinator_that_cannot_be_reached() -> None:
    home = ScriptedCoordinator()
    async with home.running():
        await home.accept()
        home.reachable = False
        await home.cut()

    assert home.is_over
    assert GIVE_UP <= home.clock.monotonic() <= GIVE_UP + 1


async def test_a_fast_lane_claims_larger_chunks_and_a_slow_one_does_not() -> None:
    clock = VirtualClock()
    limits = []

    async def call(make: Callable[[int], Call]) -> Answer:
        made = make(1)
        assert isinstance(made, Claim)
        limits.append(made.limit)
        return Answer(1)

    journal = RemoteJournal(7, call, clock)
    for wait in (0.1, 0.1, 0.1, 0.1, 5, 5, 5, 5):
        await journal.claim("prod-a", limit=64)
        await clock.sleep(wait)

    assert limits == [64, 128, 256, 512, 512, 256, 128, 64]
