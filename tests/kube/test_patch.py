"""PATCH and GET of one object, against real local servers.

Covered: the request that is sent, what is decoded of each kind of answer, redirects, bounds of
bodies, cancellation and the counters. Left out: connections that fail (test_connections), secrets
(test_masked_answers), and what an answer means (tests of `rules`).
"""

import asyncio
from typing import Any

import pytest

from fleetpatch._version import __version__
from fleetpatch.kube.client import ApiServer
from fleetpatch.kube.connection import Connection
from fleetpatch.kube.http.requests import ERROR_LIMIT
from fleetpatch.model.answer import Answer
from fleetpatch.model.resource import Resource
from fleetpatch.model.target import Seen
from fleetpatch.rules.answers.identity import PARTIAL
from tests.kube.patches import BODY, patched
from tests.kube.peers import (
    TOKEN,
    Act,
    VirtualClock,
    an_object,
    http,
    in_turn,
    opened,
    serve,
    status,
    target,
)


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
        await api.get(target("a", namespaces, ""))

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
            await api.get(target())

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


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    async with opened(in_turn(http(307, b"", Location="/elsewhere"))) as (api, peer):
        answer = await api.patch(target(), BODY, dry_run=False)

    assert isinstance(answer, Answer)
    assert answer.status == 307
    assert len(peer.requests) == 1


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


MANAGED = [{"manager": "kubectl", "fieldsV1": {"f:metadata": {"f:labels": {"f:a": {}}}}}]


@pytest.mark.parametrize("whole", [True, False])
async def test_a_get_returns_the_managed_fields(whole: bool) -> None:
    shown = an_object()
    shown["metadata"]["managedFields"] = MANAGED
    async with opened(in_turn(http(200, shown))) as (api, _peer):
        reply = await api.get(target(), whole=whole)

    assert isinstance(reply, Answer)
    assert reply.seen is not None
    assert reply.seen.managed_fields == MANAGED


@pytest.mark.parametrize("managed", [None, "x", 7, {}, [None]])
async def test_odd_managed_fields_do_not_hide_the_object(managed: Any) -> None:
    shown = an_object()
    shown["metadata"]["managedFields"] = managed
    async with opened(in_turn(http(200, shown))) as (api, _peer):
        reply = await api.get(target())

    assert isinstance(reply, Answer)
    assert reply.seen is not None
    assert reply.seen.uid == "uid-a"
