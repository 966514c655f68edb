"""A connection that fails while one object is patched or read, and one through a proxy.

Covered: connections that break, hang, are refused or cannot be made, kept ones that have died, that
the client never sends a PATCH twice by itself, proxies, and that every error of aiohttp is a
silence. Left out: which proxy is used (test_proxies), what a silence means (tests of `rules`) and
TLS (test_tls).
"""

import inspect
import socket
import ssl
from pathlib import Path

import aiohttp
import pytest
from aiohttp import client_exceptions

import fleetpatch
from fleetpatch.kube.client import ApiServer
from fleetpatch.kube.connection import Connection
from fleetpatch.kube.http.transport import no_answer
from fleetpatch.model.answer import Answer, NoAnswer, Silence
from tests.kube.patches import BODY, patched
from tests.kube.peers import (
    TOKEN,
    Act,
    VirtualClock,
    an_object,
    http,
    in_turn,
    opened,
    refusing,
    serve,
    target,
)


@pytest.mark.parametrize(
    "answers",
    [
        Act.RESET,
        Act.CLOSE,
        (http(200, an_object())[:-10], Act.CLOSE),
        (http(200, an_object())[:-10], Act.RESET),
        (b"HTTP/1.1 200", Act.CLOSE),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", Act.CLOSE),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Act.CLOSE),
        http(200, b"no gzip", Content_Encoding="gzip"),
    ],
)
async def test_a_connection_that_breaks_is_a_reset(
    answers: bytes | Act | tuple[bytes, Act],
) -> None:
    reply = await patched(in_turn(answers))

    assert isinstance(reply, NoAnswer)
    assert reply.silence is Silence.RESET
    assert reply.detail


@pytest.mark.parametrize("answers", [Act.HANG, (http(200, an_object())[:-10], Act.HANG)])
async def test_a_hung_connection_is_a_timeout(answers: Act | tuple[bytes, Act]) -> None:
    reply = await patched(in_turn(answers), timeout=0.1)

    assert isinstance(reply, NoAnswer)
    assert reply.silence is Silence.TIMEOUT


async def test_a_port_that_refuses_is_unreachable() -> None:
    async with ApiServer("test", Connection("ctx", "clu", refusing()), clock=VirtualClock()) as api:
        reply = await api.patch(target(), BODY, dry_run=False)

    assert isinstance(reply, NoAnswer)
    assert reply.silence is Silence.UNREACHABLE
    assert "connect" in reply.detail.lower()


async def test_a_host_without_an_address_is_unreachable() -> None:
    connection = Connection("ctx", "clu", "http://no-such-host.invalid:1")
    async with ApiServer("test", connection, clock=VirtualClock()) as api:
        reply = await api.get(target())

    assert isinstance(reply, NoAnswer)
    assert reply.silence is Silence.UNREACHABLE


async def test_a_connection_that_takes_too_long_to_make_is_unreachable() -> None:
    with socket.socket() as listener:
        # A backlog of 0 that is full drops further connection requests.
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        with socket.create_connection(address):
            connection = Connection("ctx", "clu", f"http://127.0.0.1:{address[1]}")
            async with ApiServer(
                "test", connection, clock=VirtualClock(), connect_timeout=0.1
            ) as api:
                reply = await api.patch(target(), BODY, dry_run=False)

    assert isinstance(reply, NoAnswer)
    assert reply.silence is Silence.UNREACHABLE


async def test_a_proxy_is_used() -> None:
    async with serve(in_turn(http(200, an_object()))) as proxy:
        connection = Connection("ctx", "clu", "http://host.invalid", proxy=proxy.url)
        async with ApiServer("test", connection, clock=VirtualClock()) as api:
            answer = await api.get(target())

    assert isinstance(answer, Answer)
    assert answer.status == 200
    assert proxy.requests[0].target.startswith("http://host.invalid/apis/batch/v1/")


async def test_a_proxy_that_refuses_the_connection_is_unreachable() -> None:
    async with serve(in_turn(http(403))) as proxy:
        guarded = proxy.url.replace("http://", f"http://user:{TOKEN}@")
        connection = Connection("ctx", "clu", "https://host.invalid", proxy=guarded)
        async with ApiServer("test", connection, clock=VirtualClock()) as api:
            reply = await api.patch(target(), BODY, dry_run=False)

    assert isinstance(reply, NoAnswer)
    assert reply.silence is Silence.UNREACHABLE
    assert reply.detail == "the proxy answered 403"


async def test_a_proxy_that_does_not_exist_is_unreachable() -> None:
    guarded = refusing().replace("http://", f"http://user:{TOKEN}@")
    connection = Connection("ctx", "clu", "https://host.invalid", proxy=guarded)
    async with ApiServer("test", connection, clock=VirtualClock()) as api:
        reply = await api.patch(target(), BODY, dry_run=False)

    assert isinstance(reply, NoAnswer)
    assert reply.silence is Silence.UNREACHABLE
    assert TOKEN not in reply.detail


@pytest.mark.parametrize("end", [Act.RESET, Act.CLOSE])
async def test_a_patch_over_a_dead_kept_connection_is_not_sent_again(end: Act) -> None:
    ok = http(200, an_object())
    async with opened(in_turn(ok, end, ok)) as (api, peer):
        await api.patch(target(), BODY, dry_run=False)
        reply = await api.patch(target(), BODY, dry_run=False)

    assert isinstance(reply, NoAnswer)
    assert reply.silence is Silence.RESET
    assert len(peer.requests) == 2
    assert peer.connections == 1


async def test_a_get_over_a_dead_kept_connection_is_sent_again_by_aiohttp() -> None:
    ok = http(200, an_object())
    async with opened(in_turn(ok, Act.CLOSE, ok)) as (api, peer):
        await api.get(target())
        reply = await api.get(target())

    assert isinstance(reply, Answer)
    assert len(peer.requests) == 3


CLIENT_ERRORS = [
    error
    for _name, error in inspect.getmembers(client_exceptions, inspect.isclass)
    if issubclass(error, (aiohttp.ClientError, OSError))
]


@pytest.mark.parametrize("kind", CLIENT_ERRORS)
def test_every_error_of_aiohttp_is_a_silence(kind: type[Exception]) -> None:
    connection_made = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
    error = kind.__new__(kind)
    error._os_error = error._certificate_error = OSError("x")  # type: ignore[attr-defined]
    if isinstance(error, aiohttp.ClientResponseError):
        error.status = 502

    silence = no_answer(error).silence

    no_way = (aiohttp.ClientHttpProxyError, aiohttp.InvalidURL)
    unreachable = issubclass(kind, (*connection_made, *no_way))
    assert (silence is Silence.UNREACHABLE) == unreachable


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (OSError(111, "Connect call failed ('127.0.0.1', 1)"), "Connection refused"),
        (
            OSError(
                "Multiple exceptions: [Errno 111] Connect call failed ('::1', 1, 0, 0),"
                " [Errno 111] Connect call failed ('127.0.0.1', 1)"
            ),
            "Connection refused",
        ),
        (
            OSError("Multiple exceptions: [Errno 101] x, [Errno 111] y"),
            "Network is unreachable, Connection refused",
        ),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), "[SSL: WRONG_VERS"),
    ],
)
def test_a_failed_connection_is_described_in_the_words_of_the_system(
    error: OSError, shown: str
) -> None:
    failed = aiohttp.ClientConnectorError.__new__(aiohttp.ClientConnectorError)
    failed._os_error = error

    detail = no_answer(failed).detail

    assert detail.startswith(f"cannot connect: {shown}")
    assert "Errno" not in detail


def test_aiohttp_is_imported_by_two_modules_alone() -> None:
    folder = Path(fleetpatch.__file__).parent / "kube"

    importers = {file.name for file in folder.rglob("*.py") if "import aiohttp" in file.read_text()}

    assert importers == {"direct.py", "transport.py"}
