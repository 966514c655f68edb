"""A small synchronous client of the API server, on the standard library alone."""

import http.client
import json
import select
import socket
import ssl
from collections import deque
from collections.abc import Mapping
from email.message import Message
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit


class Response(NamedTuple):
    status: int
    headers: Message
    body: Any


class RawClient:
    """Requests over kept-alive connections; safe to share between threads.

    A request is sent once and never retried, so that what a test observes is what the server did.
    Failures to connect or to read raise OSError (http.client's RemoteDisconnected is one).
    """

    def __init__(
        self, server: str, ca_file: Path | None, token: str | None, timeout: float = 30.0
    ) -> None:
        """`ca_file` None trusts the system's authorities; `token` is sent by default."""
        self._address = urlsplit(server).netloc
        self._token = token
        self._timeout = timeout
        self._tls = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
        self._idle: deque[http.client.HTTPSConnection] = deque()

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = "application/json",
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send one request; `body` is bytes as they are, or anything that json can write.

        The body of the response is parsed when the server says that it is JSON, else it is text.
        """
        status, response_headers, data = self.request_bytes(
            method, path, body, content_type, token=token, headers=headers
        )
        if response_headers.get_content_type() == "application/json":
            return Response(status, response_headers, json.loads(data))
        return Response(status, response_headers, data.decode())

    def request_bytes(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = "application/json",
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Message, bytes]:
        """Send one request as `request` does, and leave the body of the response unparsed."""
        sent = {"Accept": "application/json"}
        if bearer := token or self._token:
            sent["Authorization"] = f"Bearer {bearer}"
        if body is not None:
            sent["Content-Type"] = content_type
            if not isinstance(body, bytes):
                body = json.dumps(body).encode()
        sent.update(headers or {})
        connection = self._connection()
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            data = response.read()
        except BaseException:
            connection.close()
            raise
        # The server may have asked for the connection to be closed; http.client has then done so.
        if connection.sock is not None:
            self._idle.append(connection)
        return response.status, response.headers, data

    def _connection(self) -> http.client.HTTPSConnection:
        while self._idle:
            connection = self._idle.pop()
            # Between requests only the end of the stream makes a connection readable: the server
            # has closed it, for instance because it was restarted.
            if connection.sock is not None and not _is_readable(connection.sock):
                return connection
            connection.close()
        return http.client.HTTPSConnection(self._address, timeout=self._timeout, context=self._tls)

    def close(self) -> None:
        """Close the idle connections; the client stays usable."""
        while self._idle:
            self._idle.pop().close()


def _is_readable(sock: socket.socket) -> bool:
    # Not select(), which refuses the descriptors above 1023 that a benchmark can have.
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
