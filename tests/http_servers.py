"""HTTP servers of the standard library, in threads of the process of the tests."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import HTTPServer
from typing import Final

_INTERVAL: Final = 0.01
"""Seconds after which a server looks whether it must end."""


@contextmanager
def serving(server: HTTPServer) -> Iterator[str]:
    """Serve until the block ends, which closes the server; yields its URL."""
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(_INTERVAL,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
