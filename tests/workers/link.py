"""The network between workers and coordinator: a proxy that can be cut.

Workers connect to `contact`, and the proxy to the coordinator at `listen`.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Self

from tests.control_plane.processes import free_ports
from tests.e2e.tool import SOON

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER without a time: closing sends a reset."""


class Link:
    """Forwards connections of workers; `variables` are for the coordinator."""

    def __init__(self) -> None:
        self._contact, self._listen = free_ports(2)
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._refusing = False
        self._ready, self._stop = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._run()))

    @property
    def variables(self) -> dict[str, str]:
        """The variables with which a coordinator listens behind the proxy."""
        return {
            "FLEETPATCH_LISTEN_ADDRESS": f"tcp://127.0.0.1:{self._listen}",
            "FLEETPATCH_CONTACT_ADDRESS": f"tcp://127.0.0.1:{self._contact}",
        }

    @classmethod
    @contextmanager
    def start(cls) -> Iterator[Self]:
        """Forward until the block ends."""
        link = cls()
        link._thread.start()
        assert link._ready.wait(SOON), "the proxy does not listen"
        try:
            yield link
        finally:
            link._loop.call_soon_threadsafe(link._stop.set)
            link._thread.join(SOON)
            link._loop.close()

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Reset all connections, and refuse new ones while the block runs."""
        self._call(self._reset)
        try:
            yield
        finally:
            self._call(self._accept)

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Forward nothing while the block runs; connections stay open."""
        self._call(self._flowing.clear)
        try:
            yield
        finally:
            self._call(self._flowing.set)

    def _call(self, change: object) -> None:
        done = threading.Event()

        def work() -> None:
            change()  # type: ignore[operator] # one of the methods above
            done.set()

        self._loop.call_soon_threadsafe(work)
        assert done.wait(SOON), "the network was not changed"

    def _reset(self) -> None:
        self._refusing = True
        for writer in list(self._open):
            _reset(writer)

    def _accept(self) -> None:
        self._refusing = False

    async def _run(self) -> None:
        self._flowing.set()
        server = await asyncio.start_server(self._serve, "127.0.0.1", self._contact)
        self._ready.set()
        await self._stop.wait()
        server.close()
        for writer in list(self._open):
            _reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            _reset(writer)
            return
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._listen)
        except OSError:
            _reset(writer)
            return
        both = {writer, back}
        self._open |= both
        try:
            await asyncio.gather(self._forward(reader, back), self._forward(there, writer))
        finally:
            self._open -= both
            for one in both:
                _reset(one)

    async def _forward(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                await self._flowing.wait()
                target.write(data)
                await target.drain()
        target.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        found = writer.get_extra_info("socket")
        if found is not None:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
