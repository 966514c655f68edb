"""A spy: a proxy between the tool and a sandbox that records every token, and can echo requests.

An echo is an answer that quotes the credentials and the body of its request, as careless gateways
and debug pages do. The recorded tokens are secrets that a test must not find anywhere else.
"""

import http.client
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol, TypeAlias
from urllib.parse import urlsplit

from tests.e2e.tool import eventually
from tests.http_servers import serving

Echoes: TypeAlias = Callable[[str, str], bool]
"""Returns whether a request, by method and path, is answered with an echo."""

_TOKENS = ("X-Auth-Token", "X-Subject-Token")
_CREDENTIALS = ("X-Auth-Token", "Authorization")
_HOPS = ("connection", "content-length", "date", "server", "transfer-encoding")


class Served(Protocol):
    """What listens at a URL."""

    @property
    def server(self) -> str: ...


class Spy:
    """The tokens so far, and the URL of the spy."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.tokens: set[str] = set()
        self.agents: set[str] = set()
        """The User-Agents of all requests."""
        self.echoed = 0
        """The number of requests that were answered with an echo."""
        self.accepted: set[object] = set()
        """The addresses of all clients."""
        self.connections: set[object] = set()
        """The open connections; what a dead client has sent is forwarded before its ones end."""

    def wait_until_forwarded(self) -> None:
        """Wait until all is forwarded that clients have sent which are dead now."""
        where = urlsplit(self.server)
        with socket.create_connection((where.hostname, where.port)) as last:
            ours = last.getsockname()
        # Connections are accepted in their order, so those of dead clients before this one.
        eventually(
            lambda: ours in self.accepted and not self.connections,
            "the connections of dead clients end",
        )


@contextmanager
def spying(sandbox: Served, echoes: Echoes = lambda *_: False, status: int = 400) -> Iterator[Spy]:
    """Listen until the block ends."""
    listening = _Listening(("127.0.0.1", 0), _Handler)
    spy = listening.spy = Spy(f"http://127.0.0.1:{listening.server_port}")
    listening.RequestHandlerClass = _handler(spy, sandbox.server, echoes, status)
    with serving(listening):
        yield spy


class _Listening(ThreadingHTTPServer):
    """Accepts as many concurrent connections as a run makes."""

    daemon_threads = True
    request_queue_size = 128
    spy: Spy

    def process_request(self, request: Any, client_address: Any) -> None:
        """Note a connection before the next one is accepted."""
        self.spy.connections.add(request)
        self.spy.accepted.add(client_address)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection that was served."""
        super().shutdown_request(request)
        self.spy.connections.discard(request)


class _Handler(BaseHTTPRequestHandler):
    """Forwards requests, or echoes them."""

    spy: Spy
    upstream: str
    echoes: Echoes
    status: int
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle(self) -> None:
        # A client that was killed may reset its connection.
        with suppress(ConnectionError):
            super().handle()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PATCH(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def _answer(self) -> None:
        try:
            self._serve()
        except ConnectionError:  # the client was killed
            self.close_connection = True

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._note(self.headers)
        self.spy.agents.add(self.headers["User-Agent"])
        if type(self).echoes(self.command, self.path.partition("?")[0]):
            self.spy.echoed += 1
            shown = [self.headers[name] for name in _CREDENTIALS if name in self.headers]
            echo = f"you said {shown} and {body.decode()}"
            answer = json.dumps({"error_msg": echo, "error_code": "APIG.0001"}).encode()
            self._send(self.status, {"Content-Type": "application/json"}, answer)
            return
        connection = http.client.HTTPConnection(self.upstream, timeout=30)
        try:
            # The header Host is forwarded, too, since it is signed.
            connection.request(self.command, self.path, body, dict(self.headers))
            response = connection.getresponse()
            self._note(response.headers)
            self._send(response.status, dict(response.headers), response.read())
        finally:
            connection.close()

    def _note(self, headers: Message) -> None:
        self.spy.tokens.update(headers[name] for name in _TOKENS if name in headers)

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in _HOPS:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _handler(spy: Spy, server: str, echoes: Echoes, status: int) -> type[_Handler]:
    attributes = {
        "spy": spy,
        "upstream": urlsplit(server).netloc,
        "echoes": staticmethod(echoes),
        "status": status,
    }
    return type("_Spy", (_Handler,), attributes)
