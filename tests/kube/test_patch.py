"""PATCH and GET of one object, against real local servers.

Covered: the request that is sent, every kind of answer and of silence, that the client never sends
a PATCH twice by itself, redirects, bounds of bodies, secrets in answers, the counters,
and that every error of aiohttp is a silence. Left out: what an answer means (tests of `rules`)
and TLS (test_tls).
"""

import asyncio
import inspect
import socket
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from aiohttp import client_exceptions
from rich.pretty import pretty_repr

import fleetpatch
from fleetpatch._version import __version__
from fleetpatch.kube.client import ApiServer
from fleetpatch.kube.connection import Connection, Grant
from fleetpatch.kube.http.decoding import Raw
from fleetpatch.kube.http.requests import ERROR_LIMIT
from fleetpatch.kube.http.transport import no_answer
from fleetpatch.model.answer import Answer, NoAnswer, Reply, Silence
from fleetpatch.model.resource import Resource
from fleetpatch.model.target import Seen
from fleetpatch.rules.answers.identity import PARTIAL, verified_reply
from tests.kube.peers import (
    TOKEN,
    Act,
    Answers,
    Request,
    VirtualClock,
    an_object,
    http,
    in_turn,
    merge,
    opened,
    serve,
    status,
    target,
)

BODY = merge(b'{"metadata":{"labels":{"a":"b"}}}')


async def patched(answers: Answers, **options: Any) -> Reply:
    async with opened(answers, **options) as (api, _peer):
        return await api.patch(target(), BODY, dry_run=False)


async def test_a_patch_goes_out_as_a_merge_patch_that_asks_for_metadata_only() -> None:
    async with opened(in_turn(http(200, an_object()))) as (api, peer):
        await api.patch(target(), BODY, dry_run=False)

    [request] = peer.requests
    assert request.method == "PATCH"
    assert request.target == "/apis/batch/v1/namespaces/ns/jobs/a?fieldManager=fleetpatch"
    assert request.body == BODY.body
    assert request.headers["content-type"] == "application/merge-patch+json"
    assert request.headers["accept"].startswith("application/json;as=PartialObjectMetadata;")
    assert request.headers["user-agent"] == f"fleetpatch/{__version__}"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("by_session", [False, True])
async def test_a_patch_may_join_a_trace(by_session: bool) -> None:
    header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with opened(in_turn(http(200, an_object()))) as (api, peer):
        if by_session:
            api._transport._direct = None
        await api.patch(target(), BODY, traceparent=header)
        await api.patch(target(), BODY)

    first, second = peer.requests
    assert [value for name, value in first.header_lines if name == "traceparent"] == [header]
    assert "traceparent" not in second.headers


async def test_a_dry_run_has_its_parameter_in_the_query() -> None:
    async with opened(in_turn(http(200, an_object()))) as (api, peer):
        await api.patch(target(), BODY, dry_run=True)

    assert peer.requests[0].query == {"fieldManager": "fleetpatch", "dryRun": "All"}


async def test_the_core_group_and_cluster_scoped_kinds_have_paths_of_their_own() -> None:
    namespaces = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
    async with opened(in_turn(http(200, an_object()))) as (api, peer):
        await api.read(target("a", namespaces, ""))

    assert peer.requests[0].target == "/api/v1/namespaces/a"


@pytest.mark.parametrize("name", ["../../secrets/x", "..", "a b", "ä", "a?dryRun=All", "a#b"])
async def test_a_name_cannot_become_another_path(name: str) -> None:
    async with opened(in_turn(status(404))) as (api, peer):
        await api.patch(target(name), BODY, dry_run=False)

    assert peer.requests[0].path.count("/") == 7
    assert ".." not in peer.requests[0].path
    assert peer.requests[0].query == {"fieldManager": "fleetpatch"}


async def test_a_path_in_the_servers_url_is_kept() -> None:
    async with serve(in_turn(http(200, an_object()))) as peer:
        connection = Connection("ctx", "clu", f"{peer.url}/k8s/clusters/c-1")
        async with ApiServer("test", connection, clock=VirtualClock()) as api:
            await api.read(target())

    assert peer.requests[0].path == "/k8s/clusters/c-1/apis/batch/v1/namespaces/ns/jobs/a"


async def test_an_object_is_decoded() -> None:
    answer = await patched(in_turn(http(200, an_object("a", app="etl"))))

    assert isinstance(answer, Answer)
    assert answer.status == 200
    assert answer.seen == Seen("ns", "a", "uid-a", "7", {"app": "etl"}, kind=PARTIAL)


async def test_a_status_is_decoded() -> None:
    details = {
        "kind": "jobs",
        "causes": [{"field": "metadata.labels", "reason": "Invalid"}, {"message": "no field"}],
        "retryAfterSeconds": 3,
    }

    answer = await patched(in_turn(status(422, "Invalid", "no\x1b[31m!\n", details=details)))

    assert answer == Answer(
        422,
        reason="Invalid",
        message="no!",
        causes=("metadata.labels", ""),
        about="jobs",
        is_status=True,
        retry_after_seconds=3,
    )


async def test_the_managers_that_own_an_applied_field_are_named() -> None:
    owner = 'conflict with "kubectl" using batch/v1'
    causes = [
        {"reason": "FieldManagerConflict", "message": owner, "field": ".metadata.labels.app"},
        {"reason": "Other", "message": "something else", "field": ".spec"},
    ]

    answer = await patched(
        in_turn(status(409, "Conflict", "Apply failed", details={"causes": causes}))
    )

    assert isinstance(answer, Answer)
    assert answer.owners == (f"{owner}: .metadata.labels.app",)
    assert answer.causes == (".metadata.labels.app", ".spec")


@pytest.mark.parametrize("whole", [False, True])
async def test_a_200_without_an_object_is_masked_too(whole: bool) -> None:
    def quoting(request: Request) -> bytes:
        return http(200, f"see {request.headers['authorization']}".encode())

    async with opened(quoting) as (api, _peer):
        answer = await api.read(target(), whole=whole)

    assert isinstance(answer, Answer)
    assert (answer.status, answer.message) == (200, "see Bearer [redacted]")
    assert answer.unmasked not in repr(answer)


async def test_the_header_retry_after_is_kept_as_it_came() -> None:
    answer = await patched(in_turn(http(429, b"slow down", Retry_After="Wed, 21 Oct 2015")))

    assert answer == Answer(429, message="slow down", retry_after="Wed, 21 Oct 2015")


@pytest.mark.parametrize(
    ("code", "body", "message"),
    [
        (404, b"404 page not found\n", "404 page not found"),
        (502, b"<html><head><title>Bad\nGateway</title>", "an HTML page: Bad Gateway"),
        (502, b"<!DOCTYPE html><body>oops", "an HTML page"),
        (
            401,
            b'{"error_msg":"Incorrect token","error_code":"APIG.0308"}',
            "Incorrect token (APIG.0308)",
        ),
        (
            401,
            b'{"error":{"code":401,"message":"Log in","title":"Unauthorized"}}',
            "Log in (Unauthorized)",
        ),
        (403, b'{"code":"IAM.0002","message":"No rights"}', "No rights (IAM.0002)"),
        (429, b'{"error_msg":"Too many","error_code":429}', "Too many (429)"),
        (500, b'{"error_msg":"Broken"}', "Broken (no code)"),
        (400, b'{"message":"Just so"}', "Just so"),
        (400, b'{"error":"invalid_grant"}', '{"error":"invalid_grant"}'),
        (400, b'{"error":null}', '{"error":null}'),
        (200, b'{"error_msg":"Sorry","error_code":"APIG.0201"}', "Sorry (APIG.0201)"),
        (503, b"", "the answer has no body"),
        (500, b"\xff\xfe", "\ufffd\ufffd"),
        (200, b"[]", "[]"),
        (200, b"", "the answer has no body"),
        (200, b'{"metadata":{"name":"a"}}', '{"metadata":{"name":"a"}}'),
        (204, b"", "the answer has no body"),
    ],
)
async def test_an_answer_that_is_not_from_kubernetes_has_a_short_message(
    code: int, body: bytes, message: str
) -> None:
    answer = await patched(in_turn(http(code, body)))

    assert answer == Answer(code, message=message)


async def test_a_message_of_a_megabyte_is_cut_and_most_of_it_not_read() -> None:
    answer = await patched(in_turn(http(500, b"x" * (20 * ERROR_LIMIT))))

    assert isinstance(answer, Answer)
    assert len(answer.message) == 500


async def test_requests_succeed_after_a_body_was_cut() -> None:
    async with opened(in_turn(http(500, b"x" * (20 * ERROR_LIMIT)), http(200, an_object()))) as (
        api,
        _peer,
    ):
        await api.patch(target(), BODY, dry_run=False)
        answer = await api.patch(target(), BODY, dry_run=False)

    assert isinstance(answer, Answer)
    assert answer.seen is not None


async def test_a_token_quoted_by_a_proxy_is_masked() -> None:
    page = f"Authorization: Bearer {TOKEN} is not known here".encode()

    answer = await patched(in_turn(http(407, page)))

    assert isinstance(answer, Answer)
    assert (answer.status, answer.message) == (
        407,
        "Authorization: Bearer [redacted] is not known here",
    )
    assert answer.unmasked not in repr(answer)


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    async with opened(in_turn(http(307, b"", Location="/elsewhere"))) as (api, peer):
        answer = await api.patch(target(), BODY, dry_run=False)

    assert isinstance(answer, Answer)
    assert answer.status == 307
    assert len(peer.requests) == 1


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
    async with serve(in_turn(Act.CLOSE)) as peer:
        pass
    async with ApiServer("test", Connection("ctx", "clu", peer.url), clock=VirtualClock()) as api:
        reply = await api.patch(target(), BODY, dry_run=False)

    assert isinstance(reply, NoAnswer)
    assert reply.silence is Silence.UNREACHABLE
    assert "connect" in reply.detail.lower()


async def test_a_host_without_an_address_is_unreachable() -> None:
    connection = Connection("ctx", "clu", "http://no-such-host.invalid:1")
    async with ApiServer("test", connection, clock=VirtualClock()) as api:
        reply = await api.read(target())

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
            answer = await api.read(target())

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
    async with serve(in_turn(Act.CLOSE)) as proxy:
        guarded = proxy.url.replace("http://", f"http://user:{TOKEN}@")
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
        await api.read(target())
        reply = await api.read(target())

    assert isinstance(reply, Answer)
    assert len(peer.requests) == 3


async def test_cancellation_passes_through() -> None:
    async with opened(in_turn(Act.HANG)) as (api, _peer):
        task = asyncio.create_task(api.patch(target(), BODY, dry_run=False))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_requests_are_counted_whatever_the_result_is() -> None:
    async with opened(in_turn(Act.RESET)) as (api, _peer):
        await api.patch(target(), BODY, dry_run=False)
        await api.patch(target(), BODY, dry_run=True)

    assert api.requests == {"patch": 2, "get": 0, "list": 0}


async def test_use_before_opening_is_a_runtime_error() -> None:
    api = ApiServer("test", Connection("ctx", "clu", "http://x"), clock=VirtualClock())

    with pytest.raises(RuntimeError, match="async with"):
        await api.patch(target(), BODY, dry_run=False)


def test_secrets_are_in_no_repr() -> None:
    connection = Connection(
        "ctx",
        "clu",
        "http://x",
        Grant.authorizing(f"Bearer {TOKEN}"),
        proxy=f"http://u:{TOKEN}@proxy",
    )
    api = ApiServer("test", connection, clock=VirtualClock())

    assert TOKEN not in repr((connection, connection.grant, api))


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


MANAGED = [{"manager": "kubectl", "fieldsV1": {"f:metadata": {"f:labels": {"f:a": {}}}}}]


@pytest.mark.parametrize("whole", [True, False])
async def test_a_get_returns_the_managed_fields(whole: bool) -> None:
    shown = an_object()
    shown["metadata"]["managedFields"] = MANAGED
    async with opened(in_turn(http(200, shown))) as (api, _peer):
        reply = await api.read(target(), whole=whole)

    assert isinstance(reply, Answer)
    assert reply.seen is not None
    assert reply.seen.managed_fields == MANAGED


@pytest.mark.parametrize("managed", [None, "x", 7, {}, [None]])
async def test_odd_managed_fields_do_not_hide_the_object(managed: Any) -> None:
    shown = an_object()
    shown["metadata"]["managedFields"] = managed
    async with opened(in_turn(http(200, shown))) as (api, _peer):
        reply = await api.read(target())

    assert isinstance(reply, Answer)
    assert reply.seen is not None
    assert reply.seen.uid == "uid-a"


@pytest.mark.parametrize("key", ["name", "namespace", "uid"])
async def test_a_token_that_an_answer_has_as_a_name_is_masked(key: str) -> None:
    shown = an_object()
    shown["metadata"][key] = TOKEN
    async with opened(in_turn(http(200, shown))) as (api, _peer):
        reply = await api.patch(target(), merge(b"{}"))

    judged = verified_reply(target(), reply, written=True)

    assert isinstance(judged, NoAnswer)
    assert "[redacted]" in judged.detail
    assert TOKEN not in judged.detail


async def test_a_token_that_an_answer_quotes_in_a_url_is_masked() -> None:
    secret = "abc/def+ghi=="
    peer_grant = Grant.authorizing(f"Bearer {secret}")
    texts = (quote(secret), quote(secret, safe=""))
    async with serve(
        in_turn(*(status(500, message=f"/login?next={text}") for text in texts))
    ) as peer:
        connection = Connection("ctx", "clu", peer.url, peer_grant)
        async with ApiServer("test", connection, clock=VirtualClock()) as api:
            for _ in texts:
                reply = await api.patch(target(), merge(b"{}"))
                assert isinstance(reply, Answer)
                assert reply.message == "/login?next=[redacted]"


def test_what_an_answer_quotes_is_not_shown_by_rich_either() -> None:
    answer = Answer(200, message="masked", unmasked=TOKEN, secrets=(TOKEN,))
    raw = Raw(200, TOKEN.encode(), headers={"a": TOKEN}, secrets=(TOKEN,))

    assert "masked" in pretty_repr(answer)
    assert TOKEN not in pretty_repr(answer) + pretty_repr(raw) + repr(answer) + repr(raw)
