"""A proxy between the tool and an API server that records every request, and can interfere.

It cuts connections, and replaces answers (`tests.e2e.substitutes`). It terminates TLS, so the tool
sends plain HTTP to it, over real sockets. It reads a request as a whole first; a cut happens before
the request is delivered, after it was carried out, or in the middle of the answer, and appears as
an end of file or as a reset.
"""

import asyncio
import json
import random
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from tests.e2e.substitutes import Substitute, substituted

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER without a time: closing sends a reset."""

_DEPTH = "/apis/group/version/namespaces/namespace/kind/name".count("/")


class Cut(StrEnum):
    """When a connection is cut."""

    BEFORE = "before"
    """The server never sees the request."""
    MIDDLE = "middle"
    """The server has carried it out, and half of its answer arrives."""
    AFTER = "after"
    """The server has carried it out, and no part of its answer arrives."""


@dataclass(frozen=True, slots=True)
class ProxiedRequest:
    """A request that the proxy received: time in seconds since the epoch, content, interference."""

    at: float
    method: str
    path: str
    interference: Cut | Substitute | None

    @property
    def name(self) -> str:
        """The last part of the path: the name of the object, in a request for one."""
        return self.path.rpartition("/")[2]


ChooseInterference = Callable[[str, str], Cut | Substitute | None]
"""Returns how to interfere with a request, by method and path, or None."""


def no_cut(_method: str, _path: str) -> None:
    """Do not interfere."""


def at_random(cut: Cut, share: float, seed: int) -> ChooseInterference:
    """Cut this share of the requests for single objects, reproducibly by `seed`."""
    generator = random.Random(seed)

    def choose(_method: str, path: str) -> Cut | None:
        single = path.count("/") == _DEPTH
        return cut if single and generator.random() < share else None

    return choose


class Proxy:
    """A running proxy; `requests` are the requests so far, in the order of their arrival."""

    def __init__(self, server: str, authority: Path, choose: ChooseInterference) -> None:
        where = urlsplit(server)
        self._server = (where.hostname, where.port)
        self._tls = ssl.create_default_context(cafile=str(authority))
        self._choose = choose
        # The event loop has only weak references to its tasks.
        self._tasks: set[asyncio.Task[None] | None] = set()
        self.requests: list[ProxiedRequest] = []
        self.url = ""

    def patches(self) -> list[ProxiedRequest]:
        """Return the PATCH requests so far."""
        return [request for request in self.requests if request.method == "PATCH"]

    def interferences(self) -> int:
        """Return the number of cut connections and replaced answers."""
        return sum(request.interference is not None for request in self.requests)

    def redirect(self, kubeconfig: Path) -> None:
        """Change a kubeconfig of the server so that it leads to the proxy."""
        document = json.loads(kubeconfig.read_text())
        document["clusters"][0]["cluster"] = {"server": self.url}
        kubeconfig.write_text(json.dumps(document))

    async def serve(self, started: "Future[asyncio.Event]") -> None:
        """Serve on a free loopback port until the event is set that becomes `started`'s result."""
        ended = asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        started.set_result(ended)
        await ended.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _connected(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        upstream: asyncio.StreamWriter | None = None
        task = asyncio.current_task()
        self._tasks.add(task)
        try:
            server, upstream = await asyncio.open_connection(*self._server, ssl=self._tls)
            while await self._pass(client, back, server, upstream):
                pass
        # If one side breaks off, both connections are closed, so that the other side notices.
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            for writer in (back, upstream):
                if writer is not None:
                    writer.transport.abort()

    async def _pass(
        self,
        client: asyncio.StreamReader,
        back: asyncio.StreamWriter,
        server: asyncio.StreamReader,
        upstream: asyncio.StreamWriter,
    ) -> bool:
        """Forward one request and its answer; return False if the connection was cut."""
        head, body = await _message(client)
        method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        cut = self._choose(method, path.partition("?")[0])
        self.requests.append(ProxiedRequest(time.time(), method, path.partition("?")[0], cut))
        if isinstance(cut, Substitute):
            for _ in range(2 if cut is Substitute.SECOND_DELIVERY else 1):
                upstream.write(head + body)
                replaced = await _message(server)
            back.write(substituted(cut, replaced))
            await back.drain()
            return True
        if cut is not Cut.BEFORE:
            upstream.write(head + body)
            answer = b"".join(await _message(server))
            if cut is None:
                back.write(answer)
                await back.drain()
                return True
            if cut is Cut.MIDDLE:
                back.write(answer[: len(answer) // 2])
                await back.drain()
        # Every second cut is a reset, the others are an end of file.
        if len(self.requests) % 2:
            wire: socket.socket = back.get_extra_info("socket")
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        return False


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Read one HTTP message, a request or an answer, as (head, body)."""
    head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
    if fields.get(b"transfer-encoding") != b"chunked":
        return head, await reader.readexactly(int(fields.get(b"content-length", b"0")))
    body = b""
    while not body.endswith(b"\r\n0\r\n\r\n"):
        size = await reader.readuntil(b"\r\n")
        body += size + await reader.readexactly(int(size, 16) + 2)
        if size == b"0\r\n":
            break
    return head, body


@contextmanager
def proxy(server: str, authority: Path, choose: ChooseInterference = no_cut) -> Iterator[Proxy]:
    """Run a proxy for `server` in a thread while the block runs."""
    running = Proxy(server, authority, choose)
    started: Future[asyncio.Event] = Future()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_until_complete, args=(running.serve(started),))
    thread.start()
    try:
        ended = started.result(60)
        yield running
    finally:
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(ended.set)
        thread.join(60)
        loop.close()
