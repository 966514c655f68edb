"""Signatures by access keys: the sandbox's check agrees with the signer of Huawei Cloud's SDK.

Covers any method, path, query, header and body; changes of every part of a request after signing;
dates. Left out: requests over HTTP (test_cci_gateway), the SDK's other algorithms.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.sandbox.apiserver.api import ApiRequest
from fleetpatch.sandbox.apiserver.statuses import Refusal
from fleetpatch.sandbox.cci.signatures import MAX_SKEW_SECONDS, check
from tests.sandbox.signing import Key, encoded, sign

KEY = Key("AKAKAKAKAKAKAKAKAKAK", "a secret key")
OTHER = Key("OTHEROTHEROTHEROTHER", "another secret key")
SECRETS = dict((KEY, OTHER))
NOW = 1_790_000_000.0

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES = st.text(st.characters(exclude_categories=("C", "Zl", "Zp")), max_size=8)
BODIES = st.binary(max_size=40)


@st.composite
def signed_requests(draw: st.DrawFn, bodies: st.SearchStrategy[bytes] = BODIES) -> ApiRequest:
    """A request as the server sees it, signed, its body included."""
    method = draw(st.sampled_from(["GET", "PATCH", "POST", "PUT", "DELETE"]))
    segments = draw(st.lists(TEXT, max_size=4))
    query = draw(st.lists(st.tuples(TEXT, TEXT), max_size=4))
    body = draw(bodies)
    headers = {"content-type": "application/merge-patch+json", "X-Note": draw(VALUES)}
    return request(method, encoded(segments), query, headers, body)


def request(
    method: str,
    path: str,
    query: list[tuple[str, str]],
    headers: dict[str, str],
    body: bytes = b"",
) -> ApiRequest:
    signed = sign(KEY, method, path, query, headers, body, now=NOW)
    # The signer returns values as HTTP transports them: each byte of UTF-8 as one character.
    seen = {name.lower(): value.encode("latin-1").decode() for name, value in signed.items()}
    target = f"{path}?{urlencode(query)}" if query else path
    return ApiRequest(method, path, dict(query), seen, body, target)


def refusal(changed: ApiRequest, now: float = NOW, secrets: dict[str, str] | None = None) -> Any:
    """The gateway's error for a request that must be refused."""
    with pytest.raises(Refusal) as raised:
        check(changed, secrets or SECRETS, now)
    assert raised.value.reply.status == 401
    error = msgspec.json.decode(raised.value.reply.body)
    assert error["error_code"] == "APIG.0301"
    return error["error_msg"].removeprefix("Incorrect IAM authentication information: ")


def with_header(signed: ApiRequest, name: str, change: Callable[[str], str]) -> ApiRequest:
    return replace(signed, headers={**signed.headers, name: change(signed.headers[name])})


def without(signed: ApiRequest, name: str) -> ApiRequest:
    return replace(signed, headers={k: v for k, v in signed.headers.items() if k != name})


def with_authorization(signed: ApiRequest, pattern: str, value: str) -> ApiRequest:
    return with_header(signed, "authorization", lambda text: re.sub(pattern, value, text))


def flipped(signed: ApiRequest) -> ApiRequest:
    last = signed.headers["authorization"][-1]
    return with_authorization(signed, ".$", "0" if last != "0" else "1")


CHANGES: dict[str, Callable[[ApiRequest], ApiRequest]] = {
    "the method": lambda signed: replace(signed, method=f"{signed.method}X"),
    "the path": lambda signed: replace(signed, target=f"/x{signed.target}"),
    "the query": lambda signed: replace(
        signed, target=f"{signed.target}{'&' if '?' in signed.target else '?'}dryRun=All"
    ),
    "a header": lambda signed: with_header(signed, "x-note", lambda text: f"{text}x"),
    "the content type": lambda signed: with_header(
        signed, "content-type", lambda _: "application/json"
    ),
    "the host": lambda signed: with_header(signed, "host", lambda _: "elsewhere.example.com"),
    "the date": lambda signed: with_header(
        signed, "x-sdk-date", lambda text: f"{int(text[:8]) + 1}{text[8:]}"
    ),
    "a header that is missing": lambda signed: without(signed, "x-note"),
    "the date that is missing": lambda signed: without(signed, "x-sdk-date"),
    "the body": lambda signed: replace(signed, body=signed.body + b" "),
    "the body's hash": lambda signed: replace(
        signed, headers={**signed.headers, "x-sdk-content-sha256": "UNSIGNED-PAYLOAD"}
    ),
    "the access key": lambda signed: with_authorization(signed, KEY.access, OTHER.access),
    "an unknown access key": lambda signed: with_authorization(signed, KEY.access, "NOBODY"),
    "the signed headers": lambda signed: with_authorization(signed, ";x-note", ""),
    "the date among them": lambda signed: with_authorization(signed, ";x-sdk-date", ""),
    "the algorithm": lambda signed: with_authorization(signed, "SHA256", "SHA512"),
    "the signature": flipped,
    "all of it": lambda signed: with_header(signed, "authorization", lambda _: "Basic YTpi"),
}


@given(signed=signed_requests())
def test_a_request_signed_by_the_sdk_is_accepted(signed: ApiRequest) -> None:
    check(signed, SECRETS, NOW)


@given(
    signed=signed_requests(bodies=st.binary(min_size=1, max_size=40)),
    change=st.sampled_from(list(CHANGES)),
)
def test_a_request_changed_after_signing_is_refused(signed: ApiRequest, change: str) -> None:
    changed = CHANGES[change](signed)

    refusal(changed, now=NOW + 86_400 if change == "the date" else NOW)


@given(signed=signed_requests())
def test_another_secret_key_is_refused(signed: ApiRequest) -> None:
    assert refusal(signed, secrets={KEY.access: "wrong"}) == "verify aksk signature fail"


@given(target=TEXT, headers=st.dictionaries(TEXT, TEXT, max_size=3), body=BODIES)
def test_any_unsigned_request_is_refused(target: str, headers: dict[str, str], body: bytes) -> None:
    names = ";".join(("x-sdk-date", *headers)).replace(",", "")
    headers = {
        **headers,
        "x-sdk-date": "20260921T144640Z",
        "authorization": (
            f"SDK-HMAC-SHA256 Access={KEY.access}, SignedHeaders={names}, Signature={'0' * 64}"
        ),
    }

    refusal(ApiRequest("GET", "/", {}, headers, body, f"{target}\udcff"))


def test_the_encoding_of_path_and_query_does_not_matter() -> None:
    query = [("labelSelector", "app in (etl, train)"), ("limit", "5")]
    signed = request("GET", "/apis/batch/v1/jobs", query, {})
    by_other_hands = (
        f"/apis/b%61tch/v1/jobs/?limit=5&labelSelector={quote('app in (etl, train)', safe='()')}"
    )

    check(replace(signed, target=by_other_hands), SECRETS, NOW)


@pytest.mark.parametrize("skew", [-MAX_SKEW_SECONDS, 0.0, MAX_SKEW_SECONDS])
def test_a_date_may_differ_by_15_minutes(skew: float) -> None:
    signed = request("GET", "/apis", [], {})

    check(signed, SECRETS, NOW + skew)


@pytest.mark.parametrize("skew", [-MAX_SKEW_SECONDS - 1, MAX_SKEW_SECONDS + 1])
def test_a_date_that_differs_by_more_is_refused(skew: float) -> None:
    signed = request("GET", "/apis", [], {})

    assert refusal(signed, NOW + skew) == "verify aksk signature fail: signature expired"


def test_a_body_that_the_sdk_does_not_hash_is_not_protected() -> None:
    headers = {"Content-Type": "application/merge-patch+json"}
    signed = request("PATCH", "/apis", [], headers, b"{}")

    assert signed.headers["x-sdk-content-sha256"] == "UNSIGNED-PAYLOAD"
    check(replace(signed, body=b"[]"), SECRETS, NOW)
    assert refusal(replace(signed, body=b"")) == "verify aksk signature fail"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("an unknown access key", "Get secretKey failed, err: ak not exist"),
        ("a header that is missing", "the signed header x-note is missing"),
        ("the date among them", "X-Sdk-Date is not among the signed headers"),
        ("the algorithm", "the Authorization header is malformed"),
        ("the signature", "verify aksk signature fail"),
    ],
)
def test_a_refusal_says_what_is_wrong(change: str, words: str) -> None:
    signed = request("PATCH", "/apis", [], {"X-Note": "x"}, b"{}")

    assert refusal(CHANGES[change](signed)) == words
