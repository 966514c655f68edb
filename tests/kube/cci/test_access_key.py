"""Signed requests, checked by an independent implementation of the algorithm (`signatures`).

Covered: what is signed and sent for every kind of request, odd names and queries, the date, bodies
that are too large, a missing package or variable, signatures in answers. Left out: how a gateway
checks them (tests of the sandbox).
"""

import sys
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from fleetpatch.errors import CredentialsError
from fleetpatch.kube.cci import access_key as access_key_module
from fleetpatch.kube.cci.environment import LoginEnvironment
from fleetpatch.kube.connection import Sign
from fleetpatch.model.answer import Answer
from fleetpatch.model.change import PatchType
from fleetpatch.model.lease import LeaseRecord
from fleetpatch.model.plan.auth import MAX_SIGNED_BODY_BYTES
from fleetpatch.model.providers.kinds import VOLCANO_JOB
from tests.kube.cci.clouds import ENVIRON, PROJECT_ID, access_key, open_cci
from tests.kube.cci.signatures import authorization
from tests.kube.peers import (
    JOBS,
    Request,
    VirtualClock,
    an_object,
    http,
    in_turn,
    merge,
    serve,
    target,
)

NOW = 1_542_276_000.0
"""2018-11-15, ten in the morning."""


def signing() -> Sign:
    auth = access_key().aksk
    assert auth is not None
    clock = VirtualClock(NOW)
    sign = access_key_module.grant(auth, LoginEnvironment("cluster cci", clock, ENVIRON)).sign
    assert sign is not None
    return sign


def is_right(request: Request) -> bool:
    access, secret = ENVIRON["CCI_ACCESS_KEY"], ENVIRON["CCI_SECRET_KEY"]
    return request.headers["authorization"] == authorization(
        request.method, request.target, request.headers, request.body, access, secret
    )


async def test_every_request_has_a_valid_signature() -> None:
    def answers(request: Request) -> bytes:
        items = [an_object(app="etl", tier="silver")]
        return http(200, {"items": items} if request.path.endswith("/jobs") else an_object())

    volcano = target("a", VOLCANO_JOB)
    async with (
        serve(answers) as peer,
        open_cci("cci", peer.url, access_key(), clock=VirtualClock(NOW), environ=ENVIRON) as api,
    ):
        await api.patch(target("b.c"), merge('{"metadata":{"labels":{"a":"ä"}}}'.encode()))
        await api.patch(volcano, merge(b"{}"), dry_run=True)
        await api.get(volcano)
        await api.get(target("../x y~ä"))
        selector, fields = "app in (etl, train),tier!=gold", "status.successful=0"
        listed = api.pages(JOBS, namespace="ns", selector=selector, field_selector=fields)
        assert [len(page.items) async for page in listed] == [1]
        lease = api.lease("ns", "relabel")
        await lease.read()
        await lease.create(LeaseRecord("a", 30))
        await lease.update(LeaseRecord("a", 30), "7")

    assert len(peer.requests) == 8
    for request in peer.requests:
        assert is_right(request), request.target
        assert request.headers["x-sdk-date"] == "20181115T100000Z"
        assert request.headers["x-project-id"] == PROJECT_ID
        assert f"http://{request.headers['host']}" == peer.url
        assert "x-auth-token" not in request.headers
    names = peer.requests[0].headers["authorization"].split(", ")[1]
    assert names == "SignedHeaders=content-type;host;x-project-id;x-sdk-date"


async def test_the_signature_covers_all_parts_of_a_request() -> None:
    async with (
        serve(in_turn(http(200, an_object()))) as peer,
        open_cci("cci", peer.url, access_key(), clock=VirtualClock(), environ=ENVIRON) as api,
    ):
        await api.patch(target("a", VOLCANO_JOB), merge(b'{"a":1}'))

    [sent] = peer.requests
    assert is_right(sent)
    assert not is_right(Request("PUT", sent.target, sent.headers, sent.body))
    assert not is_right(Request(sent.method, sent.target[:-1], sent.headers, sent.body))
    assert not is_right(Request(sent.method, sent.target, sent.headers, b'{"a":2}'))
    for name in ("host", "x-sdk-date", "x-project-id", "content-type"):
        headers = {**sent.headers, name: "other"}
        assert not is_right(Request(sent.method, sent.target, headers, sent.body))


SIGN = signing()


@given(
    st.lists(st.text(min_size=1), min_size=1),
    st.dictionaries(st.from_regex(r"[a-zA-Z]{1,12}", fullmatch=True), st.text()),
    st.binary(),
    st.sampled_from(["", *PatchType]),
)
def test_the_signer_agrees_with_ours_on_arbitrary_requests(
    path: list[str], query: dict[str, str], body: bytes, content_type: str
) -> None:
    where = "/".join(["", *(quote(part, safe="") for part in path)])
    asked = "&".join(f"{quote(a, safe='')}={quote(b, safe='')}" for a, b in query.items())
    requested = where + (f"?{asked}" if asked else "")
    url = URL(f"https://cci.example{requested}", encoded=True)

    signed = SIGN("PATCH", url, body, content_type).headers

    headers = {name.lower(): value for name, value in signed.items()}
    assert headers["host"] == "cci.example"
    headers["content-type"] = content_type
    assert is_right(Request("PATCH", requested, headers, body))


def test_the_largest_body_is_signed_and_a_larger_one_refused() -> None:
    url = URL("https://cci.example/x")
    body = b"x" * MAX_SIGNED_BODY_BYTES

    SIGN("PATCH", url, body, PatchType.MERGE)
    with pytest.raises(CredentialsError, match=r"cluster cci: a body of 12,582,913 bytes cannot"):
        SIGN("PATCH", url, body + b"x", PatchType.MERGE)


def test_a_missing_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huaweicloudsdkcore.signer.signer", None)

    with pytest.raises(CredentialsError, match=r"pip install 'fleetpatch\[huaweicloud\]'$"):
        signing()


@pytest.mark.parametrize("name", ["CCI_ACCESS_KEY", "CCI_SECRET_KEY"])
async def test_a_missing_variable_is_named(name: str) -> None:
    environ = {key: value for key, value in ENVIRON.items() if key != name}

    with pytest.raises(CredentialsError, match=rf"^cluster cci: \${name} must contain the .* \("):
        async with open_cci(
            "cci", "http://127.0.0.1:9", access_key(), clock=VirtualClock(), environ=environ
        ):
            pass


async def test_a_signature_that_an_answer_quotes_is_masked() -> None:
    def quoting(request: Request) -> bytes:
        return http(401, {"error_msg": request.headers["authorization"], "error_code": "APIG.0301"})

    async with (
        serve(quoting) as peer,
        open_cci("cci", peer.url, access_key(), clock=VirtualClock(), environ=ENVIRON) as api,
    ):
        answer = await api.patch(target(), merge(b"{}"))

    assert isinstance(answer, Answer)
    assert answer.status == 401
    assert answer.message == (
        "SDK-HMAC-SHA256 Access=[redacted], SignedHeaders=content-type;host;x-project-id;"
        "x-sdk-date, Signature=[redacted] (APIG.0301)"
    )
    assert answer.unmasked not in repr(answer)
