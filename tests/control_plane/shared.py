"""One control plane for several processes: one starts it, and the others are given access.

The process that owns it serves a description over HTTP. The first request starts the control plane,
so none is started for tests that use none.
"""

import json
from contextlib import AbstractContextManager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from tests.http_servers import serving

from .access import ControlPlane
from .binaries import BinariesNotFoundError
from .processes import ControlPlaneError
from .server import OwnControlPlane

_START_SECONDS = 540.0
"""The longest wait for the start of the control plane, within the time limit of a test."""


class SharedControlPlane(ControlPlane):
    """The control plane of another process, by the description that this process serves."""

    def __init__(self, url: str) -> None:
        """Wait until it is started. Raises ControlPlaneError if it does not start."""
        description = _requested(url)
        self._ca_file = Path(description["ca_file"])
        super().__init__(
            description["server"],
            description["etcd_server"],
            description["tokens"],
            Path(description["audit_log"]),
        )

    @property
    def ca_file(self) -> Path:
        return self._ca_file


def sharing(plane: OwnControlPlane) -> AbstractContextManager[str]:
    """Serve the description of `plane` until the block ends; yields its URL.

    The first request starts it. `plane` needs an audit log.
    """
    return serving(_Server(plane))


class _Server(HTTPServer):
    """Answers one request at a time: the others wait for the start."""

    def __init__(self, plane: OwnControlPlane) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.plane = plane

    def description(self) -> dict[str, Any]:
        if not self.plane.started:
            self.plane.start()
        return {
            "server": self.plane.server,
            "etcd_server": self.plane.etcd_server,
            "tokens": self.plane.tokens,
            "ca_file": str(self.plane.ca_file),
            "audit_log": str(self.plane.audit_log),
        }


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        try:
            status, text = 200, json.dumps(self.server.description())
        except (BinariesNotFoundError, ControlPlaneError) as error:
            status, text = 500, str(error)
        body = text.encode()
        with suppress(ConnectionError):  # the process that asked may have been interrupted
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        pass


def _requested(url: str) -> Any:
    try:
        with urlopen(url, timeout=_START_SECONDS) as answer:
            return json.load(answer)
    except HTTPError as error:
        with error:
            raise ControlPlaneError(error.read().decode()) from None
