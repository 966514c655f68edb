"""Bodies that were cut or damaged, or that quote a secret.

Covered: how long a repair may take, what is shown of a body that cannot be decoded, bytes that are
not Unicode, secrets that are masked without a change of the verdict, and the dates of IAM. Left
out: null (test_null_fields), depth (test_deep_bodies) and any other body (test_arbitrary_bodies).
"""

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

from fleetpatch.kube.cci.iam import lifetime
from fleetpatch.kube.http.decoding import Raw, decode_answer
from fleetpatch.kube.http.lenient_json import describe_body, repair
from fleetpatch.model.answer import Answer
from fleetpatch.rules.answers.verdicts import Verdict, is_gone, judge
from tests.kube.http.bodies import DEEP, METADATA, raw
from tests.kube.peers import http, in_turn, merge, opened, target
from tests.timing import is_linear

SECRET = "s3cr3t"


# Damaged bodies.


def quote(size: int) -> bytes:
    """A Status that is cut within an object which its message quotes."""
    quoted = b'\\"a\\": {\\"b\\": [\\"c\\"]}, ' * (size // 25)
    return b'{"kind": "Status", "message": "' + quoted


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda size: b'{"a":' + b"[" * 210 + b'"' + b'\\"' * size, id="no end"),
        pytest.param(lambda size: b"[" * 210 + b'"' + b"\\" * (2 * size + 1), id="backslashes"),
        pytest.param(lambda size: b"[" * 210 + b'"["' * size + b'"', id="strings"),
        pytest.param(quote, id="a quoted object"),
    ],
)
def test_the_time_that_a_repair_takes_is_linear_in_the_size_of_the_body(
    make: Callable[[int], bytes],
) -> None:
    assert is_linear(repair, make, 5_000)


def test_a_body_that_was_cut_is_described_but_not_decoded() -> None:
    document = json.dumps({"metadata": METADATA}).encode()
    page = b"<html><title>Bad Gateway</title>" + b"x" * 100
    cut = decode_answer(Raw(200, document, is_complete=False))

    assert decode_answer(Raw(200, document)).seen
    assert cut.seen is None
    assert cut.message == document.decode()
    assert decode_answer(Raw(502, page, is_complete=False)).message == "an HTML page: Bad Gateway"


@pytest.mark.parametrize("part", ["<title>", "<title ", "<title><", "</title"])
def test_the_time_to_describe_an_html_page_is_linear_in_its_size(part: str) -> None:
    assert is_linear(describe_body, lambda size: b"<html>" + part.encode() * size, 2_000)


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        (b'<html><TITLE lang="en">Bad\nGateway</TITLE>', "an HTML page: Bad Gateway"),
        (b"<html><title>cut within the tit", "an HTML page: cut within the tit"),
        (b"<html><title> </title><h1>502</h1>", "an HTML page"),
    ],
)
def test_an_html_page_is_described_by_its_title(page: bytes, shown: str) -> None:
    assert decode_answer(raw(page, 502)).message == shown


# Characters.


@pytest.mark.parametrize(
    "odd", [b"\\ud800", b"\\udc00", b"\\ud800\\ud800", b"\xff", b"\xed\xa0\x80"]
)
def test_bytes_that_are_not_unicode_become_replacement_characters_as_in_go(odd: bytes) -> None:
    status = b'{"kind":"Status","message":"a%sb","details":{"kind":"jobs"}}' % odd
    item = json.dumps({"metadata": METADATA}).encode()[:-2] + b',"labels":{"x":"%s"}}}' % odd

    assert is_gone(decode_answer(raw(status, 404)))
    seen = decode_answer(raw(item), whole=True).seen
    assert seen is not None
    assert set(seen.labels["x"]) == {"\ufffd"}
    assert seen.whole["metadata"]["labels"] == seen.labels


def test_surrogate_pairs_and_escaped_backslashes_are_not_changed() -> None:
    body = b'"\\ud83d\\ude00 \\\\ud800 \\u0041 \\\\\\ud800"'

    assert json.loads(repair(body)) == "\U0001f600 \\ud800 A \\\ufffd"


# Secrets.


@pytest.mark.parametrize(
    "secret", ["kind", "Status", "details", "jobs", "NotFound", "message", "e", '"', ":"]
)
def test_a_secret_that_is_a_part_of_the_answer_does_not_change_the_verdict(secret: str) -> None:
    status = {"kind": "Status", "message": "it is gone", "reason": "NotFound"}
    gone = raw(status | {"details": {"kind": "jobs"}}, 404, secrets=(secret,))

    assert is_gone(decode_answer(gone))


@pytest.mark.parametrize("secret", ["etcd", "rpc", "e", "server"])
def test_a_secret_that_is_a_part_of_a_phrase_does_not_change_the_verdict(secret: str) -> None:
    status = {"kind": "Status", "message": "etcdserver: request timed out"}

    answered = decode_answer(raw(status, 500, secrets=(secret,)))

    assert secret not in answered.message.replace("[redacted]", "")
    assert judge(answered, frozenset()).verdict is Verdict.IN_DOUBT


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "Status", "message": f"you sent {SECRET}", "reason": SECRET},
        {"kind": "Status", "message": f"you sent {SECRET[:3]}\x1b[0m{SECRET[3:]}"},
        {"error_msg": f"you sent {SECRET}", "error_code": SECRET},
        {"message": SECRET, "title": SECRET},
        f"<html><title>{SECRET}</title>".encode(),
        f"you sent {SECRET}, {SECRET}".encode(),
        f"{'x' * 330} {SECRET} {'y ' * 400}".encode(),
        f"{'x' * 490} {SECRET} {'y ' * 60_000}".encode(),
        DEEP + SECRET.encode(),
    ],
)
@pytest.mark.parametrize("status", [200, 400, 500])
def test_secrets_that_an_answer_quotes_are_masked(body: Any, status: int) -> None:
    answered = decode_answer(raw(body, status, secrets=(SECRET,)))

    assert SECRET[:3] not in f"{answered!r} {answered.message} {answered.reason}"


async def test_a_refusal_that_quotes_a_large_value_keeps_its_verdict_and_its_cause() -> None:
    value = "v" * 400_000
    message = f'Job.batch "a" is invalid: spec.template: Invalid value: {value}: field is immutable'
    details = {"kind": "jobs", "causes": [{"field": "spec.template", "message": message}]}
    body = {"kind": "Status", "reason": "Invalid", "message": message, "details": details}

    async with opened(in_turn(http(422, body))) as (api, _peer):
        reply = await api.patch(target(), merge(b"{}"))

    assert isinstance(reply, Answer)
    assert reply.causes == ("spec.template",)
    assert reply.message.startswith('Job.batch "a" is invalid: spec.template')
    assert reply.message.endswith("field is immutable")


# Times.


@pytest.mark.parametrize(
    "date",
    [
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2026 00:00:99999999999999999999 GMT",
        "Mon, 01 Jan 2026 00:00:00 +99999999999999999999",
        "9" * 5000,
        "\udcff",
        "",
    ],
)
def test_a_date_of_iam_that_is_not_valid_is_ignored(date: str) -> None:
    body = {"token": {"issued_at": None, "expires_at": "1970-01-01T01:00:00.000000Z"}}

    assert lifetime(raw(body, 201, Date=date), now=0.0) == 3600.0


@pytest.mark.parametrize("body", [{"token": None}, {"token": {"expires_at": None}}, {}, b"", b"[]"])
def test_a_token_without_an_end_is_used_until_it_is_refused(body: Any) -> None:
    assert lifetime(raw(body, 201), now=0.0) == math.inf
