"""Real local servers with scripted answers, and a virtual clock; for the tests of this folder."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, TypeAlias
from urllib.parse import parse_qs, urlsplit

from fleetpatch.kube.client import ApiServer
from fleetpatch.kube.connection import Connection, Grant
from fleetpatch.model import change
from fleetpatch.model.resource import Resource
from fleetpatch.model.target import Target, TargetId
from tests.control_plane.processes import free_ports

JOBS = Resource("batch", "v1", "jobs", "Job", "job")
TOKEN = "s3cr3t-token-of-the-tests"


@dataclass
class VirtualClock:
    """A clock whose sleeps take no time; `slept` lists them."""

    now: float = 1_000_000.0
    slept: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def merge(body: bytes) -> change.PatchRequest:
    """A merge patch."""
    return change.PatchRequest(change.PatchType.MERGE, body)


class Act(Enum):
    """The behaviour of a peer instead of an answer, or after one."""

    RESET = auto()
    CLOSE = auto()
    HANG = auto()


@dataclass(frozen=True)
class Request:
    """One request that a peer received."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    header_lines: Sequence[tuple[str, str]] = ()
    """All headers in their order, with repeated ones."""

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return {key: values[0] for key, values in parse_qs(urlsplit(self.target).query).items()}


Answers: TypeAlias = Callable[[Request], bytes | Act | tuple[bytes, Act]]


@dataclass
class Peer:
    """A running server: its URL, and the requests that it received."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    connections: int = 0


def http(status: int, body: Any = b"", **headers: str) -> bytes:
    """Write an HTTP answer; a body other than bytes is sent as JSON."""
    content: bytes = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Any", f"Content-Length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


def status(code: int, reason: str = "", message: str = "", **more: Any) -> bytes:
    """Write an answer whose body is a Status."""
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code}
    return http(code, body | {"reason": reason, "message": message} | more)


def an_object(name: str = "a", **labels: str) -> dict[str, Any]:
    """Return the metadata of an object as a server sends it."""
    metadata = {"name": name, "namespace": "ns", "uid": f"uid-{name}", "resourceVersion": "7"}
    return {"kind": "PartialObjectMetadata", "metadata": metadata | {"labels": labels or None}}


def page(*names: str, token: str = "") -> bytes:
    """Write a page of a list."""
    items = [an_object(name) for name in names] or None
    return http(200, {"metadata": {"continue": token} if token else {}, "items": items})


def in_turn(*answers: bytes | Act | tuple[bytes, Act]) -> Answers:
    """Send these answers, one for each request, and the last one for all further requests."""
    remaining = list(answers)
    return lambda _request: remaining.pop(0) if len(remaining) > 1 else remaining[0]


def target(name: str = "a", resource: Resource = JOBS, namespace: str = "ns") -> Target:
    return Target(TargetId(1), "test", resource, namespace, name, f"uid-{name}", "7", {})


def refusing() -> str:
    """Return the URL of a port that refuses connections."""
    (port,) = free_ports(1)
    return f"http://127.0.0.1:{port}"


@asynccontextmanager
async def serve(answers: Answers, tls: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    """Serve on a free loopback port."""
    peer = Peer()
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        peer.connections += 1
        try:
            while (request := await _read(reader)) is not None:
                peer.requests.append(request)
                if not await _write(writer, answers(request)):
                    return
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    peer.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    try:
        yield peer
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


@asynccontextmanager
async def opened(
    answers: Answers, *, clock: VirtualClock | None = None, **options: Any
) -> AsyncIterator[tuple[ApiServer, Peer]]:
    """Serve `answers` and open a client; `options` are those of ApiServer and `renewal`."""
    renewal = options.pop("renewal", None)
    async with serve(answers) as peer:
        connection = Connection(
            "ctx", "clu", peer.url, Grant.authorizing(f"Bearer {TOKEN}"), renewal=renewal
        )
        async with ApiServer("test", connection, clock=clock or VirtualClock(), **options) as api:
            yield api, peer


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return None
    start, *lines = head.strip().split("\r\n")
    header_lines = [(name, value) for name, value in (line.split(": ", 1) for line in lines)]
    headers = {name.lower(): value for name, value in header_lines}
    method, where, _version = start.split(" ")
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, where, headers, body, header_lines)


async def _write(writer: asyncio.StreamWriter, answer: bytes | Act | tuple[bytes, Act]) -> bool:
    """Send an answer; returns False where the connection must be closed."""
    match answer:
        case bytes():
            writer.write(answer)
            await writer.drain()
            return True
        case (text, act):
            writer.write(text)
            await writer.drain()
            return await _write(writer, act)
        case Act.RESET:
            writer.transport.abort()
        case Act.HANG:
            await asyncio.Event().wait()
    return False
