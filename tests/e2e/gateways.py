"""A gateway between the tool and a sandbox that mixes up requests and answers."""

import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

from tests.e2e.sandboxes import SandboxServer
from tests.http_servers import serving

Forward: TypeAlias = Callable[[str, str, bytes], tuple[int, bytes]]
"""Forwards a request (method, path with query, body); returns status and body of its answer."""

Confuses: TypeAlias = Callable[[Forward, str, str, bytes], tuple[int, bytes]]
"""Answers a request, usually by calling the Forward that it gets."""


class Gateway:
    """The URL of the gateway; the paths of the PATCHes that it received, and their traces."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.patches: list[str] = []
        self.traceparents: list[str] = []

    def redirect(self, kubeconfig: Path) -> None:
        """Change a kubeconfig of the sandbox so that it leads to the gateway."""
        document = json.loads(kubeconfig.read_text())
        document["clusters"][0]["cluster"]["server"] = self.url
        kubeconfig.write_text(json.dumps(document))


@contextmanager
def gateway(sandbox: SandboxServer, confuses: Confuses) -> Iterator[Gateway]:
    """Serve until the block ends."""
    upstream = urlsplit(sandbox.server).netloc

    class Handler(BaseHTTPRequestHandler):
        """Answers each request with the result of `confuses`."""

        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            try:
                self._answer()
            except ConnectionError:  # the client has ended
                self.close_connection = True

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.command == "PATCH":
                opened.patches.append(self.path)
                opened.traceparents.append(self.headers.get("traceparent", ""))
            status, answer = confuses(self._forward, self.command, self.path, body)
            self.send_response_only(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def do_PATCH(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

        def _forward(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
            connection = http.client.HTTPConnection(upstream, timeout=30)
            own = {"Accept-Encoding": "identity", "Content-Length": str(len(body))}
            headers = {**dict(self.headers), **own}
            try:
                connection.request(method, path, body, headers)
                response = connection.getresponse()
                return response.status, response.read()
            finally:
                connection.close()

    class Listening(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    listening = Listening(("127.0.0.1", 0), Handler)
    opened = Gateway(f"http://127.0.0.1:{listening.server_port}")
    with serving(listening):
        yield opened
