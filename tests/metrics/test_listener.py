"""The port for Prometheus, and scrapers that are slow, many or malicious.

Left out: what is served (tests/cli/metrics).
"""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler
from urllib.request import urlopen

import pytest

from fleetpatch.metrics import prometheus
from fleetpatch.metrics.listener import MAX_CONNECTIONS, Listener
from tests.control_plane.processes import free_ports
from tests.e2e.tool import eventually


@pytest.fixture
def port() -> Iterator[int]:
    """The port of a listener."""
    (port,) = free_ports(1)
    served = prometheus.listener("127.0.0.1", port, list)
    yield port
    served.close()


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def test_many_clients_that_send_nothing_keep_neither_threads_nor_a_scraper(port: int) -> None:
    before = threading.active_count()
    with ExitStack() as clients:
        for _ in range(4 * MAX_CONNECTIONS):
            clients.enter_context(connected(port)).send(b"GET /metrics HTTP/1.1\r\nX: ")
        with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            assert answer.status == 200
        eventually(
            lambda: threading.active_count() - before <= MAX_CONNECTIONS,
            "the threads of the oldest connections have ended",
        )


@pytest.mark.parametrize(
    "request_text",
    [
        b"GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text; version=x\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\n\r\n",
        b"\x00\xff\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 200 + b"\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
    ],
)
def test_a_malicious_request_prints_nothing_and_the_next_one_is_answered(
    port: int, request_text: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    with connected(port) as client:
        client.sendall(request_text)
        while _received(client):
            pass
    with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        assert answer.status == 200

    assert capfd.readouterr() == ("", "")


def test_a_client_that_resets_its_connection_prints_nothing(
    port: int, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(3):
        with connected(port) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.send(b"GET")
    with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        assert answer.status == 200

    assert capfd.readouterr() == ("", "")


def test_the_name_of_the_address_is_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def hangs(_name: str) -> str:
        raise AssertionError("without a name server this takes long")

    monkeypatch.setattr(socket, "getfqdn", hangs)
    Listener("127.0.0.1", 0, BaseHTTPRequestHandler).close()


def _received(client: socket.socket) -> bytes:
    try:
        return client.recv(65_536)
    except ConnectionError:
        return b""
