"""Sends prepared requests over connections of aiohttp, without its ClientSession.

A session builds a request, a response, a header map and a timer for each exchange, and these take
three quarters of its time. Here, aiohttp still makes and keeps the connections (`TCPConnector`) and
reads the answers (its protocol, with a parser in C), but the bytes of a request are written as they
are. Errors are those of a session, except that HttpProcessingError is not wrapped.

aiohttp documents these classes only in part. RELIED_ON lists what is used of them. With a version
of aiohttp that lacks some of it, IS_SUPPORTED is False, and requests must be sent by a session.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from multidict import CIMultiDictProxy
from yarl import URL

RELIED_ON: Final[dict[type, tuple[str, ...]]] = {
    aiohttp.ClientRequest: ("connection_key",),
    aiohttp.TCPConnector: ("connect",),
    Connection: ("protocol", "transport", "release", "close"),
    ResponseHandler: ("set_response_params", "read", "should_close", "closed"),
    aiohttp.StreamReader: ("readany", "at_eof"),
}
IS_SUPPORTED: Final = all(
    hasattr(owner, name) for owner, names in RELIED_ON.items() for name in names
)

_SWITCHED: Final = 101
_INTERIM: Final = frozenset(range(100, 200)) - {_SWITCHED}
"""An answer with one of these statuses is followed by another one to the same request."""
_MAX_CLOSED: Final = 100
"""Connections that are closed before one is used. A server that speaks first must not cause an
endless loop."""

_SHUTDOWN: Final = 1.0
"""Seconds for which the ends of connections are awaited."""


class Received(NamedTuple):
    """An answer as it was received; `is_complete` is False where its body was cut."""

    status: int
    body: bytes
    is_complete: bool
    headers: CIMultiDictProxy[str]


class CleanConnector(aiohttp.TCPConnector):
    """Keeps connections, and closes one that received anything while no request was sent on it.

    A gateway may answer a request twice, or late. aiohttp would take that answer for the answer to
    the next request.
    """

    def __init__(self, *, limit: int, keepalive_timeout: float) -> None:
        super().__init__(limit=limit, keepalive_timeout=keepalive_timeout)
        self._used: WeakKeyDictionary[ResponseHandler, asyncio.Transport] = WeakKeyDictionary()

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[aiohttp.tracing.Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own parameter
    ) -> Connection:
        """Return a connection for a request. Raises as `aiohttp.TCPConnector`."""
        connection = await super().connect(req, traces, timeout)
        for _ in range(_MAX_CLOSED):
            if connection.protocol is None or not connection.protocol.should_close:
                break
            connection.close()
            connection = await super().connect(req, traces, timeout)
        if connection.protocol is not None and connection.transport is not None:
            self._used[connection.protocol] = connection.transport
        return connection

    async def abort_connections(self) -> None:
        """Abort what is left of the connections, and wait until they are closed; after `close`.

        aiohttp forgets a connection whose request was cancelled, and leaves it to the TLS shutdown,
        which may take as long as the server likes. An event loop that ends meanwhile writes errors
        to stderr.
        """
        waiting = []
        for protocol, transport in self._used.items():
            if (closed := protocol.closed) is not None:
                transport.abort()
                waiting.append(closed)
        if waiting:
            await asyncio.wait(waiting, timeout=_SHUTDOWN)


class DirectSender:
    """Sends requests to the server of `url`, over connections that `connector` makes and keeps.

    `timeout` and `connect_timeout` are seconds: for an exchange, which begins when there is a
    connection, and for making one. With a proxy, a session must be used.
    """

    def __init__(
        self,
        connector: aiohttp.TCPConnector,
        url: URL,
        tls: ssl.SSLContext | bool,
        *,
        server_name: str | None,
        timeout: float,
        connect_timeout: float | None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._connector = connector
        # Only its address and its TLS settings are used, so one serves for all requests.
        self._address = aiohttp.ClientRequest(
            "PATCH", url, loop=self._loop, ssl=tls, server_hostname=server_name
        )
        self._seconds = timeout
        # `connect` covers the look-up of the name and the wait for a free connection, too.
        self._connecting = aiohttp.ClientTimeout(connect=timeout, sock_connect=connect_timeout)

    async def send(self, request: bytes, limit_of: Callable[[int], int]) -> Received:
        """Send a whole request; `limit_of` returns the size limit of a body by the status.

        Raises TimeoutError, OSError, aiohttp.ClientError, UnicodeError and HttpProcessingError.
        """
        try:
            connection = await self._connector.connect(self._address, [], self._connecting)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError from error
        try:
            received = await self._exchange(connection, request, limit_of)
        except BaseException:
            connection.close()
            raise
        if received.is_complete and received.status != _SWITCHED:
            connection.release()
        else:
            # The connection still carries the rest of the body, or does not carry HTTP any more.
            connection.close()
        return received

    async def _exchange(
        self, connection: Connection, request: bytes, limit_of: Callable[[int], int]
    ) -> Received:
        protocol, transport = connection.protocol, connection.transport
        if protocol is None or transport is None:
            raise aiohttp.ServerDisconnectedError
        protocol.set_response_params(read_until_eof=True)
        expiry = _Expiry(transport)
        timer = self._loop.call_later(self._seconds, expiry)
        try:
            # Requests are small, so it is not worth a wait for room in the transport's buffer.
            transport.write(request)
            message, content = await protocol.read()
            while message.code in _INTERIM:
                message, content = await protocol.read()
            body, is_complete = await read_limited(content, limit_of(message.code))
        except (OSError, aiohttp.ClientError) as error:
            if expiry.has_passed:
                raise TimeoutError from error
            raise
        finally:
            timer.cancel()
        # A body without a length ends with its connection, also if the timer has closed that.
        if expiry.has_passed:
            raise TimeoutError
        return Received(message.code, body, is_complete, message.headers)


class _Expiry:
    """Breaks a connection when its exchange takes too long.

    Cheaper than `asyncio.timeout`, which takes a fifth of the time of an exchange.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self.has_passed = False
        self._transport = transport

    def __call__(self) -> None:
        self.has_passed = True
        self._transport.abort()


async def read_limited(content: aiohttp.StreamReader, limit: int) -> tuple[bytes, bool]:
    """Read a body up to `limit` bytes; return it and whether it is complete."""
    # Nearly all answers are complete after one read, and need no join.
    body = await content.readany()
    if content.at_eof():
        return body, True
    parts, size = [body], len(body)
    while size <= limit:
        part = await content.readany()
        if not part:
            return b"".join(parts), True
        parts.append(part)
        size += len(part)
    return b"".join(parts)[:limit], False
