"""PATCHes over aiohttp's connections without its session, against real local servers.

Covered: which connections are kept, how answers end, interim answers, timeouts, headers, and the
session that is used where it must be. Left out: what test_patch.py and test_tls.py show, which
send PATCHes as well.
"""

import asyncio
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from fleetpatch.kube.client import ApiServer
from fleetpatch.kube.connection import Connection, Grant, Signature
from fleetpatch.kube.http import direct, transport
from fleetpatch.kube.kubeconfig.connect import connect_to_context
from fleetpatch.model.answer import Answer, NoAnswer, Reply, Silence
from tests.kube.kubeconfig.kubeconfigs import cluster, kubeconfig, plugin, server_tls
from tests.kube.peers import (
    Act,
    Request,
    VirtualClock,
    an_object,
    http,
    in_turn,
    merge,
    opened,
    serve,
    target,
)

OBJECT = http(200, an_object())
BODY = OBJECT.partition(b"\r\n\r\n")[2]
PATCH = merge(b"{}")


@pytest.fixture(params=["direct", "session"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways must behave alike: a version of aiohttp may not support the direct one."""
    way: str = request.param
    monkeypatch.setattr(transport, "IS_SUPPORTED", way == "direct")
    return way


async def connections_of_two_patches(first: bytes | Act | tuple[bytes, Act]) -> tuple[int, Reply]:
    async with opened(in_turn(first, OBJECT)) as (api, peer):
        reply = await api.patch(target(), PATCH)
        assert isinstance(await api.patch(target(), PATCH), Answer)
    return peer.connections, reply


async def test_a_connection_is_kept_for_the_next_patch() -> None:
    connections, reply = await connections_of_two_patches(OBJECT)

    assert connections == 1
    assert isinstance(reply, Answer)


@pytest.mark.parametrize(
    "first",
    [
        http(200, an_object(), Connection="close"),
        (OBJECT[:-5], Act.CLOSE),
        (OBJECT[:-5], Act.RESET),
        (b"SSH-2.0\r\n\r\n", Act.HANG),
        (b"HTTP/1.1 200 OK\r\n\r\n" + BODY, Act.CLOSE),
        http(500, b"x" * 3_000_000),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
            Act.CLOSE,
        ),
    ],
    ids=["it says so", "cut", "reset", "not HTTP", "no length", "not read to its end", "switched"],
)
async def test_a_connection_that_cannot_be_used_again_is_not_kept(
    first: bytes | tuple[bytes, Act],
) -> None:
    connections, _reply = await connections_of_two_patches(first)

    assert connections == 2


async def test_a_body_without_a_length_ends_with_its_connection() -> None:
    _, reply = await connections_of_two_patches((b"HTTP/1.1 200 OK\r\n\r\n" + BODY, Act.CLOSE))

    assert isinstance(reply, Answer)
    assert reply.seen is not None


async def test_a_body_without_a_length_that_does_not_end_is_a_timeout() -> None:
    answers = in_turn((b"HTTP/1.1 200 OK\r\n\r\n" + BODY, Act.HANG))
    async with opened(answers, timeout=0.1) as (api, _peer):
        reply = await api.patch(target(), PATCH)

    assert isinstance(reply, NoAnswer)
    assert reply.silence is Silence.TIMEOUT


async def test_interim_answers_are_skipped() -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"

    connections, reply = await connections_of_two_patches(interim + OBJECT)

    assert isinstance(reply, Answer)
    assert reply.status == 200
    assert connections == 1


@pytest.mark.parametrize("status", [104, 199])
async def test_an_interim_answer_with_any_status_is_skipped(status: int) -> None:
    interim = f"HTTP/1.1 {status} Any\r\n\r\n".encode()

    connections, reply = await connections_of_two_patches(interim + OBJECT)

    assert isinstance(reply, Answer)
    assert reply.status == 200
    assert connections == 1


async def test_a_second_answer_is_not_taken_for_that_to_the_next_patch() -> None:
    """The second answer to `a` comes before that to `b`, so the client has it before `c`."""
    b_arrived, a_ended = asyncio.Event(), asyncio.Event()
    writers: dict[str, asyncio.StreamWriter] = {}

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(len(b"{}"))
                name = head.split(maxsplit=2)[1].decode().partition("?")[0][-1]
                writers[name] = writer
                if name == "b":
                    b_arrived.set()
                    await a_ended.wait()
                    writers["a"].write(http(403, {"kind": "Status", "code": 403}))
                writer.write(http(200, an_object(name)))
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    connection = Connection("ctx", "clu", url, Grant())
    async with server, ApiServer("test", connection, clock=VirtualClock()) as api:
        b = asyncio.create_task(api.patch(target("b"), PATCH))
        await b_arrived.wait()
        await api.patch(target("a"), PATCH)
        a_ended.set()
        await b
        reply = await api.patch(target("c"), PATCH)

    assert isinstance(reply, Answer)
    assert reply.status == 200
    assert writers["c"] is not writers["a"]


async def test_a_body_in_chunks_is_read_to_its_end() -> None:
    halves = BODY[:20], BODY[20:]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(half), half) for half in halves)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

    connections, reply = await connections_of_two_patches(head + chunks + b"0\r\n\r\n")

    assert isinstance(reply, Answer)
    assert reply.seen is not None
    assert connections == 1


async def test_a_patch_that_was_cancelled_leaves_no_answer_to_the_next_one() -> None:
    arrived = asyncio.Event()
    answers = in_turn(Act.HANG, OBJECT)

    def watched(request: Request) -> bytes | Act | tuple[bytes, Act]:
        arrived.set()
        return answers(request)

    async with opened(watched) as (api, peer):
        first = asyncio.create_task(api.patch(target(), PATCH))
        await arrived.wait()
        first.cancel()
        assert isinstance(await api.patch(target(), PATCH), Answer)

    assert peer.connections == 2


async def test_each_of_concurrent_patches_gets_its_own_answer() -> None:
    def answers(request: Request) -> bytes:
        return http(200, an_object(request.path.rpartition("/")[2]))

    async with opened(answers) as (api, _peer):
        names = [f"job-{number}" for number in range(20)]
        replies = await asyncio.gather(*(api.patch(target(name), PATCH) for name in names))

    seen = [reply.seen for reply in replies if isinstance(reply, Answer)]
    assert [one and one.name for one in seen] == names


async def test_a_signed_header_replaces_another_one_of_its_name() -> None:
    grant = Grant(sign=lambda *_: Signature({"Host": "signed", "X-Signed": "yes"}, "secret"))
    async with serve(in_turn(OBJECT)) as peer:
        connection = Connection("ctx", "clu", peer.url, grant)
        async with ApiServer("test", connection, clock=VirtualClock()) as api:
            await api.patch(target(), PATCH)

    names = [name.lower() for name, _value in peer.requests[0].header_lines]
    assert len(names) == len(set(names))
    assert peer.requests[0].headers["host"] == "signed"


async def test_both_ways_send_the_same_request(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []
    for way in (True, False):
        monkeypatch.setattr(transport, "IS_SUPPORTED", way)
        async with opened(in_turn(OBJECT)) as (api, peer):
            await api.patch(target(), PATCH)
        request = peer.requests[0]
        headers = {**request.headers, "host": "its own"}
        sent.append((request.method, request.target, request.body, headers))

    assert sent[0] == sent[1]


async def test_a_header_cannot_contain_another_one() -> None:
    connection = Connection("ctx", "clu", "http://x", Grant.authorizing("Bearer a\r\nHost: b"))
    async with ApiServer("test", connection, clock=VirtualClock()) as api:
        with pytest.raises(ValueError, match="line end"):
            await api.patch(target(), PATCH)


async def test_a_renewed_token_is_sent_over_tls_with_the_next_patch(
    tmp_path: Path,
) -> None:
    theirs, authority = server_tls(tmp_path)
    refused = http(401, {"kind": "Status", "code": 401})
    renewing = plugin(tmp_path, "credential(token=f'token-{run}')")
    async with serve(in_turn(refused, OBJECT), theirs) as peer:
        the_cluster = cluster(peer.url, certificate_authority=str(authority))
        file = kubeconfig(tmp_path / "config", the_cluster=the_cluster, user=renewing)
        connection = await connect_to_context(environ={"KUBECONFIG": str(file)})
        async with ApiServer("test", connection, clock=VirtualClock()) as api:
            await api.patch(target(), PATCH)
            assert await api.renew()
            assert isinstance(await api.patch(target(), PATCH), Answer)

    sent = [request.headers["authorization"] for request in peer.requests]
    assert sent == ["Bearer token-1", "Bearer token-2"]


def test_the_installed_aiohttp_supports_it() -> None:
    assert direct.IS_SUPPORTED
    assert aiohttp.TCPConnector in direct.RELIED_ON
