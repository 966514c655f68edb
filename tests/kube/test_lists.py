"""Paged lists, against real local servers and under a virtual clock.

Covered: limit and continue, empty pages (`items: null`), 410 with and without a token, pages that
are halved, waits for a busy server, a 401 in the middle, and every refusal that ends a list. Left
out: what the survey makes of pages (tests of `engine`) and how Retry-After is read (`rules`).
"""

from typing import Any

import pytest

from fleetpatch.errors import ClusterError, CredentialsError
from fleetpatch.kube.client import ApiServer
from fleetpatch.kube.connection import Connection, Grant
from fleetpatch.kube.listing import SMALLEST_PAGE
from fleetpatch.kube.retry import LIST_RETRIES
from fleetpatch.model.ports import Page
from tests.kube.peers import (
    JOBS,
    TOKEN,
    Act,
    Answers,
    Peer,
    VirtualClock,
    an_object,
    http,
    in_turn,
    opened,
    page,
    refusing,
    status,
)


async def pages_of(api: ApiServer, namespace: str | None = None) -> list[Page]:
    pages = api.pages(JOBS, namespace=namespace, selector="", field_selector="")
    return [page async for page in pages]


async def listed(
    answers: Answers, clock: VirtualClock | None = None, **options: Any
) -> tuple[list[Page], Peer]:
    async with opened(answers, clock=clock, **options) as (api, peer):
        return await pages_of(api), peer


def names(pages: list[Page]) -> list[list[str]]:
    return [[seen.name for seen in page.items] for page in pages]


def limits(peer: Peer) -> list[int]:
    return [int(request.query["limit"]) for request in peer.requests]


async def test_a_list_is_read_page_by_page() -> None:
    pages, peer = await listed(in_turn(page("a", "b", token="t+/=&"), page("c")))

    assert names(pages) == [["a", "b"], ["c"]]
    assert [request.query for request in peer.requests] == [
        {"limit": "500"},
        {"limit": "500", "continue": "t+/=&"},
    ]
    assert "PartialObjectMetadataList" in peer.requests[0].headers["accept"]
    assert not any(page.inconsistent for page in pages)


async def test_selectors_and_the_namespace_are_sent() -> None:
    async with opened(in_turn(page())) as (api, peer):
        pages = api.pages(
            JOBS, namespace="team-a", selector="app in (a,b), !x", field_selector="metadata.name=q"
        )
        assert [page async for page in pages] == [Page(())]

    [request] = peer.requests
    assert request.path == "/apis/batch/v1/namespaces/team-a/jobs"
    assert request.query["labelSelector"] == "app in (a,b), !x"
    assert request.query["fieldSelector"] == "metadata.name=q"


async def test_null_items_are_an_empty_page() -> None:
    pages, _peer = await listed(in_turn(http(200, {"metadata": {}, "items": None})))

    assert pages == [Page(())]


async def test_a_page_with_two_names_of_one_uid_is_no_list() -> None:
    def with_uid(uid: str, *names: str) -> bytes:
        of_all = {"namespace": "x", "uid": uid, "resourceVersion": "7"}
        items = [{"metadata": {**of_all, "name": name}} for name in names]
        return http(200, {"metadata": {}, "items": items})

    pages, _ = await listed(in_turn(with_uid("u", "a", "a")))
    assert names(pages) == [["a", "a"]]

    with pytest.raises(
        ClusterError, match=r"contains x/a and x/b, which have the same uid \(u\); che"
    ):
        await listed(in_turn(with_uid("u", "a", "a", "b")))


async def test_namespaces_are_named_once_and_sorted() -> None:
    def named(*names: str, token: str = "") -> bytes:
        items = [{"metadata": {"name": n, "uid": n, "resourceVersion": "7"}} for n in names]
        return http(200, {"metadata": {"continue": token}, "items": items})

    async with opened(in_turn(named("b", "a", token="t"), named("b"))) as (api, peer):
        assert await api.namespaces() == ["a", "b"]

    assert peer.requests[0].path == "/api/v1/namespaces"
    assert api.requests == {"patch": 0, "get": 0, "list": 2}


async def test_an_expired_list_continues_from_the_token_in_the_answer() -> None:
    expired = status(410, "Expired", metadata={"continue": "fresh"})

    pages, peer = await listed(in_turn(page("a", token="old"), expired, page("b")))

    assert names(pages) == [["a"], ["b"]]
    assert [page.inconsistent for page in pages] == [False, True]
    assert peer.requests[-1].query["continue"] == "fresh"


async def test_an_expired_list_without_a_token_starts_again() -> None:
    answers = in_turn(page("a", token="old"), status(410), page("a", token="t"), page("b"))

    pages, peer = await listed(answers)

    assert names(pages) == [["a"], ["a"], ["b"]]
    assert [page.inconsistent for page in pages] == [False, True, True]
    assert "continue" not in peer.requests[2].query


async def test_a_list_that_always_expires_ends_after_three_restarts() -> None:
    async with opened(in_turn(status(410))) as (api, peer):
        with pytest.raises(ClusterError, match="started again 3 times"):
            await pages_of(api)

    assert len(peer.requests) == 4


async def test_a_list_whose_tokens_always_expire_ends_too() -> None:
    async with opened(in_turn(status(410, metadata={"continue": "t"}))) as (api, peer):
        with pytest.raises(ClusterError, match="started again"):
            await pages_of(api)

    assert len(peer.requests) < 100


@pytest.mark.parametrize(
    "too_much",
    [
        status(504, "Timeout"),
        http(413),
        status(500, "", "etcdserver: request is too large"),
        status(500, "", "rpc error: trying to send message larger than max (9 vs. 8)"),
    ],
)
async def test_a_page_that_is_too_large_is_halved(too_much: bytes) -> None:
    clock = VirtualClock()

    pages, peer = await listed(in_turn(too_much, page("a", token="t"), page("b")), clock)

    assert names(pages) == [["a"], ["b"]]
    assert limits(peer) == [500, 250, 250]
    assert clock.slept == []


async def test_a_page_that_times_out_is_halved() -> None:
    pages, peer = await listed(in_turn(Act.HANG, page("a")), timeout=1)

    assert names(pages) == [["a"]]
    assert limits(peer) == [500, 250]


async def test_the_smallest_page_is_tried_a_few_times_and_then_given_up() -> None:
    clock = VirtualClock()
    async with opened(in_turn(status(504)), clock=clock, random=lambda: 0.5) as (api, peer):
        with pytest.raises(ClusterError, match=f"gave up after {LIST_RETRIES.attempts} tries"):
            await pages_of(api)

    assert limits(peer) == [500, 250, 125, 62, *[SMALLEST_PAGE] * LIST_RETRIES.attempts]
    assert len(clock.slept) == LIST_RETRIES.attempts - 1


@pytest.mark.parametrize(
    "busy", [http(429), status(503, "ServiceUnavailable"), Act.RESET, (page("x")[:-5], Act.CLOSE)]
)
async def test_a_request_to_a_busy_server_is_sent_again(
    busy: bytes | Act | tuple[bytes, Act],
) -> None:
    clock = VirtualClock()

    # aiohttp itself asks once more when a connection breaks, so break it often enough.
    pages, _peer = await listed(
        in_turn(page("a", token="t"), busy, busy, busy, page("b")), clock, random=lambda: 0.5
    )

    assert names(pages) == [["a"], ["b"]]
    assert 1 <= len(clock.slept) <= 3


async def test_retry_after_is_honoured() -> None:
    clock = VirtualClock()

    await listed(in_turn(http(429, b"", Retry_After="7"), page("a")), clock)

    assert clock.slept == [7.0]


async def test_a_request_to_a_server_that_never_answered_is_not_sent_again() -> None:
    clock = VirtualClock()
    url = refusing()
    async with ApiServer("test", Connection("x", "x", url), clock=clock) as api:
        with pytest.raises(ClusterError, match="check the address") as caught:
            await pages_of(api)

    assert url in str(caught.value)
    assert clock.slept == []


async def test_a_token_that_expires_in_the_middle_is_renewed_once() -> None:
    async def renewal() -> Grant:
        return Grant.authorizing("Bearer fresh")

    answers = in_turn(page("a", token="t"), status(401), page("b"))
    async with opened(answers, renewal=renewal) as (api, peer):
        pages = await pages_of(api)

    assert names(pages) == [["a"], ["b"]]
    assert peer.requests[-1].headers["authorization"] == "Bearer fresh"
    assert "continue" in peer.requests[-1].query


async def test_credentials_that_stay_refused_are_an_error_without_the_token() -> None:
    answers = in_turn(status(401, "Unauthorized", f"token {TOKEN} is unknown"))
    async with opened(answers) as (api, peer):
        with pytest.raises(CredentialsError, match="does not accept our credentials") as caught:
            await pages_of(api)

    assert TOKEN not in str(caught.value)
    assert len(peer.requests) == 1


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (status(403, "Forbidden", "alice may not"), r"not allowed \(403 Forbidden: alice may not"),
        (status(400, "BadRequest", "invalid continue token: x"), "invalid continue token"),
        (http(404, b"404 page not found"), "not served"),
        (status(500, "InternalError", "boom"), "500 InternalError: boom"),
        (http(302, b""), "302"),
        (http(200, b"<html>login"), "is not a list"),
        (http(200, b"{}"), "is not a list"),
        (http(200, {"items": [{"metadata": {"name": "no-uid"}}]}), r"its item 1 .no-uid. is not"),
        (http(200, {"items": [an_object(), None]}), "the metadata of its item 2 is not valid"),
        (http(200, {"items": [{"metadata": None}]}), "the metadata of its item 1 is not valid"),
        (
            http(200, {"items": [{"metadata": an_object("b")["metadata"] | {"labels": {"a": 1}}}]}),
            r"the metadata of its item 1 \(b\) is not valid",
        ),
        (page("a", token="t"), "same page again"),
    ],
)
async def test_the_error_of_a_list_has_the_cause_and_what_was_listed(
    answer: bytes, message: str
) -> None:
    async with opened(in_turn(answer)) as (api, peer):
        with pytest.raises(ClusterError, match=message) as caught:
            await pages_of(api, namespace="ns")

    assert f"cluster test ({peer.url}): listing jobs.batch in ns" in str(caught.value)
    assert "\n" not in str(caught.value)
