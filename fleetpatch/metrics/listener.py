"""A port for scrapers, which may be slow, many or malicious.

Each connection has a thread, and both are bounded: a run needs its descriptors itself. A further
connection ends the oldest one, so that slow clients do not keep others out.
"""

import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from socket import AI_PASSIVE, SHUT_RDWR, SOCK_STREAM, getaddrinfo, socket
from socketserver import TCPServer, ThreadingMixIn
from typing import Any, Final

MAX_CONNECTIONS: Final = 16
"""Connections at a time."""
TIMEOUT: Final = 10.0
"""Seconds without a byte after which a connection is closed."""


class Listener:
    """Serves requests by `handler` at `host` and `port` until it is closed. Raises OSError."""

    def __init__(self, host: str, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        self._server = _Server(host, port, handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="metrics port", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Close the port and its connections."""
        self._server.shutdown()
        self._server.server_close()
        self._server.end_connections(leave=0)
        self._thread.join()


# Not HTTPServer, which looks up the name of its address: without a name server that takes long.
class _Server(ThreadingMixIn, TCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, host: str, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        first, *_ = getaddrinfo(host, port, type=SOCK_STREAM, flags=AI_PASSIVE)
        address: Any
        self.address_family, *_, address = first
        self._connections: dict[socket, None] = {}
        self._lock = threading.Lock()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection by a thread of its own."""
        self.end_connections(leave=MAX_CONNECTIONS - 1)
        with self._lock:
            self._connections[request] = None
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection that was served."""
        with self._lock:
            self._connections.pop(request, None)
        super().shutdown_request(request)

    def end_connections(self, *, leave: int) -> None:
        """End the oldest connections; their threads close them."""
        with self._lock:
            for oldest in list(self._connections)[: max(len(self._connections) - leave, 0)]:
                del self._connections[oldest]
                with suppress(OSError):  # the client has ended it
                    oldest.shutdown(SHUT_RDWR)

    def handle_error(self, _request: Any, _client_address: Any) -> None:
        """Print nothing: any client that reaches the port can send anything to it."""
