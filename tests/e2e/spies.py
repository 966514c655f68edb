"""A spy between the tool and a sandbox: it hears every token, and can turn informer.

An informer answers with what it was told, credentials and body, as careless gateways and debug
pages do. What it hears are the secrets that a test must not find anywhere else.
"""

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeAlias
from urllib.parse import urlsplit

from tests.e2e.sandboxes import SandboxServer

Informs: TypeAlias = Callable[[str, str], bool]
"""Whether a request, by method and path, is answered with what it says."""

_TOKENS = ("X-Auth-Token", "X-Subject-Token")
_CREDENTIALS = ("X-Auth-Token", "Authorization")
_HOPS = ("connection", "content-length", "date", "server", "transfer-encoding")


class Spy:
    """What has been heard so far, and where the spy listens."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.tokens: set[str] = set()
        self.informed = 0
        """How many requests were answered with what they said."""


@contextmanager
def spying(
    sandbox: SandboxServer, informs: Informs = lambda *_: False, status: int = 400
) -> Iterator[Spy]:
    """Listen until the block ends."""
    with _Listening(("127.0.0.1", 0), _Handler) as listening:
        spy = Spy(f"http://127.0.0.1:{listening.server_port}")
        listening.RequestHandlerClass = _handler(spy, sandbox.server, informs, status)
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,), name="spy")
        thread.start()
        try:
            yield spy
        finally:
            listening.shutdown()
            thread.join()


class _Listening(ThreadingHTTPServer):
    """As many connections at once as a run makes."""

    daemon_threads = True
    request_queue_size = 128


class _Handler(BaseHTTPRequestHandler):
    """Passes requests on, or answers them with what they say."""

    spy: Spy
    upstream: str
    informs: Informs
    status: int
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

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
            self._listen()
        except ConnectionError:  # whoever asked was killed
            self.close_connection = True

    def _listen(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._note(self.headers)
        if type(self).informs(self.command, self.path.partition("?")[0]):
            self.spy.informed += 1
            shown = [self.headers[name] for name in _CREDENTIALS if name in self.headers]
            said = f"you said {shown} and {body.decode()}"
            answer = json.dumps({"error_msg": said, "error_code": "APIG.0001"}).encode()
            self._say(self.status, {"Content-Type": "application/json"}, answer)
            return
        connection = http.client.HTTPConnection(self.upstream, timeout=30)
        try:
            # The host stays, too: it is among what is signed.
            connection.request(self.command, self.path, body, dict(self.headers))
            response = connection.getresponse()
            self._note(response.headers)
            self._say(response.status, dict(response.headers), response.read())
        finally:
            connection.close()

    def _note(self, headers: Message) -> None:
        self.spy.tokens.update(headers[name] for name in _TOKENS if name in headers)

    def _say(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in _HOPS:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _handler(spy: Spy, server: str, informs: Informs, status: int) -> type[_Handler]:
    told = {
        "spy": spy,
        "upstream": urlsplit(server).netloc,
        "informs": staticmethod(informs),
        "status": status,
    }
    return type("_Spy", (_Handler,), told)
