"""The worker's connection to its coordinator: made again when it is cut, with nothing lost.

What has no answer yet is sent again on the next connection. The coordinator recognizes what it has
served already.
"""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import anyio
import msgspec

from fleetpatch.model.ports import Clock
from fleetpatch.workers.channel import Channel, DisconnectedError
from fleetpatch.workers.messages import (
    Answer,
    Checked,
    Dismissed,
    FromCoordinator,
    FromWorker,
    Hello,
    Orders,
    ShardReport,
    Welcome,
    WorkerReport,
    decode_from_coordinator,
    encode,
)
from fleetpatch.workers.questions import Ask, ReadResult
from fleetpatch.workers.remote_journal import Call, ShardLostError
from fleetpatch.workers.send_deadline import SendDeadline

Connect: TypeAlias = Callable[[], Awaitable[Channel]]
"""Makes a connection, within a second or two. Raises DisconnectedError."""

GIVE_UP: Final = 30.0
"""Seconds without a connection after which the coordinator counts as dead."""

_AGAIN: Final = 0.2
"""Seconds between two attempts to connect."""

_STUCK: Final = 3.0
"""Seconds without an answer to a report after which the connection is made again."""


class _Pending:
    """A call that waits for its answer."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.done = anyio.Event()
        self.answer: Answer | None = None


class Connection:
    """Carries calls and reports to the coordinator; `on_message` takes what it orders.

    `deadline` is extended by the answers to reports.
    """

    def __init__(
        self,
        connect: Connect,
        hello: Hello,
        deadline: SendDeadline,
        clock: Clock,
        on_message: Callable[[Welcome | Orders | Ask], None],
    ) -> None:
        self._connect, self._hello = connect, hello
        self._deadline, self._clock, self._on_message = deadline, clock, on_message
        self._channel: Channel | None = None
        self._checked: Checked | None = None
        self._calls: dict[int, _Pending] = {}
        self._numbers = 0
        self._is_over = False
        self._report: tuple[int, tuple[ShardReport, ...]] | None = None
        self._sequence = self._sent = 0
        self._taken = anyio.Event()

    async def run(self) -> bool:
        """Connect, and take what arrives; return whether the session is over.

        That is False if the worker was dismissed because it was silent for too long.
        """
        heard_at = self._clock.monotonic()
        try:
            while self._clock.monotonic() - heard_at < GIVE_UP:
                try:
                    channel = await self._connect()
                except DisconnectedError:
                    await self._clock.sleep(_AGAIN)
                    continue
                try:
                    await self._open(channel)
                    while True:
                        message = decode_from_coordinator(await channel.receive())
                        heard_at = self._clock.monotonic()
                        if isinstance(message, Dismissed):
                            return message.ended
                        self._take(message)
                except (DisconnectedError, msgspec.MsgspecError):
                    await self._clock.sleep(_AGAIN)
                finally:
                    self._channel = None
                    channel.close()
            return True
        finally:
            self._is_over = True
            for pending in self._calls.values():
                pending.done.set()
            self._taken.set()

    async def call(self, make: Callable[[int], Call]) -> Answer:
        """Make a call, and return its answer. Raises ShardLostError at the end of the session."""
        self._numbers += 1
        pending = _Pending(make(self._numbers))
        self._calls[self._numbers] = pending
        try:
            await self._send(pending.call)
            if not self._is_over:
                await pending.done.wait()
        finally:
            del self._calls[pending.call.call]
        if pending.answer is None:
            raise ShardLostError
        return pending.answer

    async def report(self, shards: tuple[ShardReport, ...]) -> None:
        """Send a report, and wait until the coordinator has taken it."""
        self._sequence += 1
        self._report, self._taken = (self._sequence, shards), anyio.Event()
        await self._send_report()
        while not self._is_over:
            with anyio.move_on_after(_STUCK):
                await self._taken.wait()
                return
            # The connection may be cut without a sign; a new one sends the report again.
            if self._channel is not None:
                self._channel.close()

    async def send_result(self, result: ReadResult) -> None:
        """Send the answer to a question; the coordinator asks again if it is lost."""
        await self._send(result)

    async def checked(self, checked: Checked) -> None:
        """Say what was found of the clusters, on this connection and each later one."""
        self._checked = checked
        await self._send(checked)

    async def _open(self, channel: Channel) -> None:
        await channel.send(encode(self._hello))
        self._channel = channel
        if self._checked is not None:
            await self._send(self._checked)
        for pending in list(self._calls.values()):
            await self._send(pending.call)
        if self._report is not None:
            await self._send_report()

    async def _send_report(self) -> None:
        if self._report is None:
            return
        sequence, shards = self._report
        self._sent += 1
        self._deadline.note_sent(self._sent)
        await self._send(WorkerReport(sequence, self._sent, shards))

    async def _send(self, message: FromWorker) -> None:
        """Send if there is a connection; without one it is sent on the next."""
        channel = self._channel
        if channel is not None:
            try:
                await channel.send(encode(message))
            except DisconnectedError:
                channel.close()

    def _take(self, message: FromCoordinator) -> None:
        match message:
            case Answer():
                pending = self._calls.get(message.call)
                if pending is not None:
                    pending.answer = message
                    pending.done.set()
            case Orders():
                self._deadline.extend(message.answers, message.may_send_for)
                if self._report is not None and message.taken >= self._report[0]:
                    self._report = None
                    self._taken.set()
                self._on_message(message)
            case Welcome() | Ask():
                self._on_message(message)
            case Dismissed():
                raise AssertionError("run returns at a Dismissed")
