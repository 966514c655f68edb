"""Secrets that an answer to a PATCH or a GET quotes.

Covered: in a message, as a name, in a URL, and in what `repr` and rich show. Left out: how a text
is masked (test_credentials), answers that quote a part of one (http/test_decoding).
"""

from urllib.parse import quote

import pytest
from rich.pretty import pretty_repr

from fleetpatch.kube.client import ApiServer
from fleetpatch.kube.connection import Connection, Grant
from fleetpatch.kube.http.decoding import Raw
from fleetpatch.model.answer import Answer, NoAnswer
from fleetpatch.rules.answers.identity import verified_reply
from tests.kube.patches import patched
from tests.kube.peers import (
    TOKEN,
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


@pytest.mark.parametrize("whole", [False, True])
async def test_a_200_without_an_object_is_masked_too(whole: bool) -> None:
    def quoting(request: Request) -> bytes:
        return http(200, f"see {request.headers['authorization']}".encode())

    async with opened(quoting) as (api, _peer):
        answer = await api.get(target(), whole=whole)

    assert isinstance(answer, Answer)
    assert (answer.status, answer.message) == (200, "see Bearer [redacted]")
    assert answer.unmasked not in repr(answer)


async def test_a_token_quoted_by_a_proxy_is_masked() -> None:
    page = f"Authorization: Bearer {TOKEN} is not known here".encode()

    answer = await patched(in_turn(http(407, page)))

    assert isinstance(answer, Answer)
    assert (answer.status, answer.message) == (
        407,
        "Authorization: Bearer [redacted] is not known here",
    )
    assert answer.unmasked not in repr(answer)


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
