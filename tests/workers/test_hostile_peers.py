"""Who else connects to the port of a coordinator: garbage, huge frames, pickles, wrong sessions.

Covered: what is read before a worker has greeted, over a real socket. Left out: TLS, which refuses
a peer without a certificate before that, and a worker of the session (test_hostile_workers.py).
"""

import os
import pickle
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import msgspec
import pytest
from distributed.protocol.utils import pack_frames
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.campaign.settings import Stop
from fleetpatch.engine.clock import SystemClock
from fleetpatch.workers import stream_channel
from fleetpatch.workers.channel import DisconnectedError
from fleetpatch.workers.coordinator import Coordinator
from fleetpatch.workers.messages import (
    Dismissed,
    Hello,
    Welcome,
    Work,
    WorkerReport,
    decode_from_coordinator,
    decode_from_worker,
    encode,
)
from tests.fakes import FakeEvents
from tests.workers.coordinators import INFO


def frame(body: bytes) -> bytes:
    return len(body).to_bytes(8) + body


class Created:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def dask_frames(value: object) -> bytes:
    """Return what makes a connection of Dask unpickle a value, even in its handshake."""
    head = msgspec.msgpack.encode({"__Pickled__": 1})
    pickled = msgspec.msgpack.encode({"pickled-obj": pickle.dumps(value), "num-sub-frames": 0})
    packed: bytes = pack_frames([head, pickled])
    return len(packed).to_bytes(8, "little") + packed


@asynccontextmanager
async def coordinator() -> AsyncIterator[tuple[Coordinator, int]]:
    """A coordinator that serves connections, and its port."""
    served = Coordinator(Work(INFO), 15.0, SystemClock(), FakeEvents(), Stop())
    async with anyio.create_task_group() as tasks:
        await tasks.start(served.run)
        async with stream_channel.listening(served.serve, "127.0.0.1", 0, None) as port:
            yield served, port
        tasks.cancel_scope.cancel()


async def answered(port: int, sent: bytes) -> bytes:
    """Send bytes and no more; return all that arrives until the connection is closed."""
    stream = await anyio.connect_tcp("127.0.0.1", port)
    received = b""
    async with stream:
        await stream.send(sent)
        stream.extra(anyio.abc.SocketAttribute.raw_socket).shutdown(socket.SHUT_WR)
        try:
            while True:
                received += await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return received


async def welcomed(port: int, session: str) -> bool:
    """Return whether a worker of a session is welcomed."""
    channel = await stream_channel.connect("127.0.0.1", port, None, 5.0)
    try:
        await channel.send(encode(Hello(session, "agent", "tcp://w", "w")))
        return isinstance(decode_from_coordinator(await channel.receive()), Welcome)
    finally:
        channel.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"",
        b"\x00\x00",
        frame(b""),
        frame(b"\xc1"),
        frame(msgspec.msgpack.encode({"op": "identity"})),
        frame(msgspec.msgpack.encode(7)),
        frame(encode(WorkerReport(1, 1, ()))),
        frame(b"\x91" * 60_000),
        frame(msgspec.msgpack.encode({"type": "Hello", "name": "XYZZY"}).replace(b"Y", b"\xff")),
        (1 << 62).to_bytes(8),
        b"\xff" * 8,
        (65 << 10).to_bytes(8) + b"\x00" * (65 << 10),
        (100).to_bytes(8) + b"cut",
    ],
    ids=lambda sent: repr(sent[:16]),
)
async def test_a_peer_that_is_no_worker_is_disconnected_and_workers_are_served(sent: bytes) -> None:
    async with coordinator() as (served, port):
        await answered(port, sent)

        assert not served.workers
        assert await welcomed(port, served.session)


@given(st.binary(max_size=200))
def test_no_bytes_are_more_than_refused(body: bytes) -> None:
    with suppress(msgspec.MsgspecError):
        decode_from_worker(body)


async def test_a_worker_of_another_session_is_dismissed_and_learns_nothing() -> None:
    async with coordinator() as (served, port):
        hello = frame(encode(Hello("0" * 32, "agent", "tcp://w", "w")))

        assert await answered(port, hello) == frame(encode(Dismissed(ended=True)))
        assert not served.workers


async def test_nothing_that_arrives_is_unpickled(tmp_path: Path) -> None:
    created = tmp_path / "created"
    async with coordinator() as (served, port):
        await answered(port, dask_frames(Created(created)))
        await answered(port, frame(dask_frames(Created(created))))

        assert await welcomed(port, served.session)
    assert not created.exists()


async def test_a_worker_that_has_greeted_may_send_large_messages() -> None:
    ends: list[stream_channel.StreamChannel] = []
    large = os.urandom(3 << 20)
    async with stream_channel.listening(ends.append, "127.0.0.1", 0, None) as port:
        worker = await stream_channel.connect("127.0.0.1", port, None, 5.0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(worker.send, b"hello")
            tasks.start_soon(worker.send, large)
            while not ends:
                await anyio.lowlevel.checkpoint()
            assert await ends[0].receive() == b"hello"
            assert await ends[0].receive() == large
        worker.close()
        with pytest.raises(DisconnectedError):
            await ends[0].receive()
        ends[0].close()


async def test_a_channel_that_is_closed_ends_what_waits_for_it() -> None:
    ends: list[stream_channel.StreamChannel] = []
    async with stream_channel.listening(ends.append, "127.0.0.1", 0, None) as port:
        worker = await stream_channel.connect("127.0.0.1", port, None, 5.0)

        async def receive() -> None:
            with pytest.raises(DisconnectedError):
                await worker.receive()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(receive)
            await anyio.lowlevel.checkpoint()
            worker.close()
        with pytest.raises(DisconnectedError):
            await worker.send(b"late")
        while not ends:
            await anyio.lowlevel.checkpoint()
        ends[0].close()
