"""Connections between the coordinator and its workers: frames of bytes over TCP or TLS.

They are not those of Dask, which unpickles what arrives, so that who can connect could run code. A
frame is its length, eight bytes in big-endian order, and as many bytes. Nothing is allocated for a
length that is only announced.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import anyio

from fleetpatch.workers.channel import DisconnectedError

_PREFIX: Final = 8
"""Bytes of the length of a frame."""

_LARGEST: Final = 512 << 20
"""Bytes of a frame, at most; a page of a list is the largest message."""

_GREETING: Final = 64 << 10
"""Bytes of the first frame that a worker sends, at most."""


class StreamChannel:
    """Implements the port `Channel`. The first frame that arrives has at most `first` bytes."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, first: int = _LARGEST
    ) -> None:
        self._reader, self._writer = reader, writer
        self._limit = first
        self._writing = anyio.Lock()

    async def send(self, body: bytes) -> None:
        """Send one message. Raises DisconnectedError."""
        async with self._writing:
            if self._writer.is_closing():
                raise DisconnectedError("the connection was closed")
            try:
                self._writer.write(len(body).to_bytes(_PREFIX) + body)
                await self._writer.drain()
            except OSError as error:
                raise DisconnectedError(str(error)) from error

    async def receive(self) -> bytes:
        """Wait for the next message. Raises DisconnectedError."""
        try:
            length = int.from_bytes(await self._reader.readexactly(_PREFIX))
            if length > self._limit:
                raise DisconnectedError(f"a frame of {length} bytes is too large")
            body = await self._reader.readexactly(length)
        except (OSError, EOFError) as error:
            raise DisconnectedError(str(error)) from error
        self._limit = _LARGEST
        return body

    def close(self) -> None:
        """Close the connection at once."""
        self._writer.transport.abort()


async def connect(
    host: str, port: int, tls: ssl.SSLContext | None, seconds: float
) -> StreamChannel:
    """Connect within so many seconds. Raises DisconnectedError."""
    try:
        with anyio.fail_after(seconds):
            reader, writer = await asyncio.open_connection(host, port, ssl=tls)
    except (OSError, ValueError) as error:
        raise DisconnectedError(str(error)) from error
    return StreamChannel(reader, writer)


@asynccontextmanager
async def listening(
    serve: Callable[[StreamChannel], None], host: str, port: int, tls: ssl.SSLContext | None
) -> AsyncIterator[int]:
    """Call `serve` with each connection until the block ends; yields the port. Raises OSError."""

    def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serve(StreamChannel(reader, writer, _GREETING))

    server = await asyncio.start_server(take, host, port, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        # Connections are closed by those that serve them.
        server.close()
