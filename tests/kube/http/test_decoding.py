"""Bodies at every network boundary: null, deep, damaged, of other types, and arbitrary.

Covered: answers to PATCH and GET, pages, discovery, Leases and IAM, by the functions that decode
them, and one client against a server that sends arbitrary bytes. Left out: how a target ends
whose object is too deep (tests/rules/planning/test_unreadable.py, tests/e2e/test_odd_objects.py).
"""

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleetpatch.errors import CredentialsError, FleetpatchError
from fleetpatch.kube.cci.iam import lifetime
from fleetpatch.kube.connect import open_cci
from fleetpatch.kube.discovery import aggregated, documents
from fleetpatch.kube.http import decoding
from fleetpatch.kube.http.decoding import Raw, continue_token, decode_answer, decode_page
from fleetpatch.kube.http.lenient_json import KEPT_DEPTH, describe_body, repair
from fleetpatch.kube.lease import LeaseApi
from fleetpatch.model.answer import Answer, NoAnswer
from fleetpatch.model.fields import MAX_DEPTH, TOO_DEEP, is_deeper
from fleetpatch.model.lease import Lease, LeaseMiss, LeaseRecord, LeaseTrouble
from fleetpatch.rules.answers.verdicts import Verdict, is_gone, judge
from tests.kube.cci.clouds import ENVIRON, PASSWORD, iam
from tests.kube.peers import (
    JOBS,
    Act,
    VirtualClock,
    an_object,
    http,
    in_turn,
    merge,
    opened,
    serve,
    target,
)
from tests.timing import is_linear

DEEP = b"[" * 1200 + b"]" * 1200
METADATA = {"name": "a", "namespace": "ns", "uid": "u", "resourceVersion": "1"}
SECRET = "s3cr3t"


def raw(body: Any, status: int = 200, *, secrets: tuple[str, ...] = (), **headers: str) -> Raw:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Raw(status, content, headers=headers, secrets=secrets)


def deep(document: Any) -> bytes:
    """Encode a document; where it says "@", a list is nested 1,200 levels deep."""
    return json.dumps(document).encode().replace(b'"@"', DEEP)


# Null is absent.


@pytest.mark.parametrize("absent", ["message", "reason", "metadata", "code", "apiVersion"])
def test_a_status_with_a_null_field_is_a_status(absent: str) -> None:
    details = {"kind": "jobs", "name": "a", "causes": None, "retryAfterSeconds": None, "uid": None}
    body = {"kind": "Status", "message": "no", "reason": "NotFound", "details": details}

    answered = decode_answer(raw(body | {absent: None}, 404))

    assert answered.is_status
    assert is_gone(answered)


def test_null_causes_and_null_fields_of_causes_are_absent() -> None:
    causes = [None, {"field": None, "reason": "FieldManagerConflict", "message": "conflict"}]
    body = {"kind": "Status", "details": {"kind": None, "causes": causes}}

    answered = decode_answer(raw(body, 409))

    assert answered.causes == ("",)
    assert answered.owners == ("conflict:",)
    assert answered.about == ""


def test_null_details_of_a_status_are_absent() -> None:
    assert decode_answer(raw({"kind": "Status", "details": None}, 500)).is_status


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("field", ["namespace", "labels", "annotations", "managedFields"])
def test_a_null_field_of_an_object_is_absent(field: str, *, whole: bool) -> None:
    seen = decode_answer(raw({"metadata": METADATA | {field: None}}), whole=whole).seen

    assert seen is not None
    assert (seen.name, seen.labels, seen.annotations) == ("a", {}, {})


def test_a_label_whose_value_is_null_is_absent() -> None:
    labels = {"kept": "yes", "null": None}

    seen = decode_answer(
        raw({"metadata": METADATA | {"labels": labels, "annotations": labels}})
    ).seen

    assert seen is not None
    assert seen.labels == seen.annotations == {"kept": "yes"}


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("metadata", [None, {}, {"continue": None}, {"continue": ""}])
def test_a_page_with_null_metadata_is_the_last_one(metadata: Any, *, whole: bool) -> None:
    page = decode_page(raw({"metadata": metadata, "items": [{"metadata": METADATA}]}), whole=whole)

    assert page is not None
    assert page.token == ""
    assert [seen.name for seen in page.items] == ["a"]


def test_an_expired_list_with_a_null_token_has_none() -> None:
    assert continue_token(raw({"kind": "Status", "metadata": {"continue": None}}, 410)) == ""
    assert continue_token(raw({"kind": "Status", "metadata": None}, 410)) == ""


def test_null_in_discovery_is_absent() -> None:
    groups = [
        None,
        {"name": None, "versions": [{"version": "v1"}]},
        {"name": "batch", "versions": [None, {"version": None}, {"version": "v1"}]},
        {"name": "empty", "versions": None, "preferredVersion": {"version": None}},
    ]
    resource = {"name": "jobs", "kind": "Job", "verbs": ["list", "patch", None]}
    odd = {"namespaced": None, "singularName": None, "shortNames": [None], "group": None}

    found = documents.group_versions(json.dumps({"groups": groups}).encode())
    assert found == [documents.GroupVersion("batch", "v1")]
    for resources in ([None, resource | odd], [resource, {"name": None, "kind": "X"}]):
        body = json.dumps({"resources": resources}).encode()
        [job] = documents.resources(body, found[0]) or []
        assert (job.plural, job.singular, job.short_names) == ("jobs", "job", ())


async def lease_of(body: Any, status: int = 200) -> Any:
    async with opened(in_turn(http(status, body))) as (api, _peer):
        return await api.lease("ns", "a").read()


@pytest.mark.parametrize(
    "spec",
    [
        None,
        {},
        dict.fromkeys(
            ["holderIdentity", "leaseDurationSeconds", "acquireTime", "renewTime"],
        )
        | {"leaseTransitions": None},
    ],
)
async def test_a_lease_with_a_null_spec_is_free(spec: Any) -> None:
    lease = await lease_of({"metadata": METADATA, "spec": spec})

    assert lease == Lease(LeaseRecord("", 0, "", "", 0), "1")


@pytest.mark.parametrize("number", [2**31, -(2**31) - 1, 10**400])
async def test_a_lease_with_a_number_beyond_int32_is_not_a_lease(number: int) -> None:
    spec = {"holderIdentity": "x", "leaseDurationSeconds": number, "leaseTransitions": 1}

    assert isinstance(await lease_of({"metadata": METADATA, "spec": spec}), LeaseTrouble)


async def test_a_missing_lease_with_a_null_message_is_missing() -> None:
    status = {"kind": "Status", "message": None, "details": {"kind": "leases", "causes": None}}

    assert await lease_of(status, 404) is LeaseMiss.ABSENT


# Depth.


@pytest.mark.parametrize("whole", [False, True])
def test_an_object_that_is_too_deep_keeps_its_metadata(*, whole: bool) -> None:
    body = deep({"metadata": METADATA | {"labels": {"a": "b"}}, "spec": {"marks": "@", "n": 1}})

    seen = decode_answer(raw(body), whole=whole).seen

    assert seen is not None
    assert (seen.uid, seen.labels) == ("u", {"a": "b"})
    assert seen.unreadable == (TOO_DEEP if whole else "")


@pytest.mark.parametrize(("levels", "reason"), [(MAX_DEPTH - 2, ""), (MAX_DEPTH - 1, TOO_DEEP)])
def test_the_limit_is_the_same_for_an_answer_and_for_a_list(levels: int, reason: str) -> None:
    item = {"metadata": METADATA, "spec": {"marks": json.loads("[" * levels + "]" * levels)}}

    seen = decode_answer(raw(item), whole=True).seen
    page = decode_page(raw({"items": [item]}), whole=True)

    assert seen is not None
    assert page is not None
    assert seen.unreadable == page.items[0].unreadable == reason


@pytest.mark.parametrize("whole", [False, True])
def test_one_object_that_is_too_deep_does_not_affect_the_page(*, whole: bool) -> None:
    items = [
        {"metadata": METADATA | {"name": name}, "spec": {"marks": marks}}
        for name, marks in (("a", []), ("b", "@"), ("c", []))
    ]

    page = decode_page(raw(deep({"metadata": {"continue": "t"}, "items": items})), whole=whole)

    assert page is not None
    assert page.token == "t"
    assert [seen.name for seen in page.items] == ["a", "b", "c"]
    assert [bool(seen.unreadable) for seen in page.items] == [False, whole, False]


@pytest.mark.parametrize(
    ("value", "walks"),
    [([1], 0), ("[{" * 90, 0), ([[]] * 190, 0), ([[]] * 300, 1), ("[{" * 300, 1)],
    ids=["small", "brackets in a string", "many lists", "too many lists", "a long string"],
)
def test_only_an_object_with_many_brackets_is_searched_for_depth(
    value: Any, walks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    walked: list[Any] = []

    def search(document: Any, levels: int) -> bool:
        walked.append(document)
        return is_deeper(document, levels)

    monkeypatch.setattr(decoding, "is_deeper", search)
    small, other = {"metadata": METADATA}, {"metadata": METADATA, "spec": value}
    page = decode_page(raw({"items": [small] * 300 + [other]}), whole=True)

    assert page
    assert len(walked) == walks
    assert page.items[-1].whole == other
    assert not any(item.unreadable for item in page.items)


def test_one_object_with_a_number_beyond_float_does_not_affect_the_page() -> None:
    odd = b'{"metadata": {"name":"b","uid":"u","resourceVersion":"1"}, "spec": {"n": 1e999}}'
    body = b'{"items": [%s, %s]}' % (json.dumps({"metadata": METADATA}).encode(), odd)

    page = decode_page(raw(body), whole=True)

    assert page is not None
    assert [bool(seen.unreadable) for seen in page.items] == [False, True]
    assert not page.items[1].is_readable_at([("spec", "n")])


def test_deep_fields_of_a_status_do_not_affect_it() -> None:
    body = deep({"kind": "Status", "message": "gone", "details": {"kind": "jobs", "extra": "@"}})

    assert is_gone(decode_answer(raw(body, 404)))


def test_discovery_accepts_deep_documents() -> None:
    groups = deep({"groups": [{"name": "batch", "versions": [{"version": "v1", "x": "@"}]}]})
    resources = deep(
        {"resources": [{"name": "jobs", "kind": "Job", "verbs": ["list", "patch"], "x": "@"}]}
    )

    [version] = documents.group_versions(groups) or []
    [job] = documents.resources(resources, version) or []

    assert job.plural == "jobs"


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000, DEEP, b'"' + b"[" * 9000])
def test_a_deep_body_of_no_type_is_an_answer_without_an_object(body: bytes) -> None:
    for whole in (False, True):
        assert decode_answer(raw(body), whole=whole).seen is None
        assert decode_page(raw(body), whole=whole) is None
    assert not decode_answer(raw(body, 404)).is_status
    assert documents.group_versions(body) is None
    assert lifetime(raw(body), now=0.0) == math.inf


def test_brackets_within_strings_do_not_count_as_depth() -> None:
    body = json.dumps({"a": '[{"\\' * 2000, "b": [1]}).encode()

    assert repair(body) == body


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


# Anything.

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**400), 10**400)
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.text(st.characters())
    | st.sampled_from(["Status", "jobs", "t", "2026-01-01T00:00:00Z"])
)
KEYS = st.sampled_from(
    [
        *("kind", "metadata", "items", "name", "uid", "resourceVersion", "labels", "annotations"),
        *("continue", "message", "reason", "details", "causes", "field", "retryAfterSeconds"),
        *("groups", "versions", "version", "resources", "verbs", "spec", "holderIdentity", "token"),
        *("leaseDurationSeconds", "expires_at", "issued_at", "error", "error_msg", "code", "title"),
    ]
) | st.text(max_size=3)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=15,
)
SHAPES = st.fixed_dictionaries({"metadata": st.just(METADATA), "spec": DOCUMENTS}) | st.builds(
    lambda items, rest: {"items": items, **rest},
    st.lists(st.fixed_dictionaries({"metadata": st.just(METADATA) | DOCUMENTS}) | DOCUMENTS),
    st.dictionaries(KEYS, DOCUMENTS, max_size=2),
)


def encoded(document: Any) -> bytes:
    return json.dumps(document).encode()


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A document that is cut, deepened, doubled, or has foreign bytes in it."""
    body = draw((DOCUMENTS | SHAPES).map(encoded))
    at = draw(st.integers(0, len(body)))
    depth = draw(st.sampled_from([KEPT_DEPTH, 1000, 5000]))
    nested = draw(st.sampled_from([b"[" * depth + b"]" * depth, b'{"a":' * depth, b"]" * depth]))
    middle = draw(st.sampled_from([b"", nested, b"\xff", b"\\ud800", b"\x00"]) | st.binary())
    return body[:at] + middle + body[draw(st.integers(at, len(body))) :]


BODIES = st.binary() | (DOCUMENTS | SHAPES).map(encoded) | damaged()
STATUSES = st.integers(100, 599) | st.sampled_from([200, 404, 409, 410, 422, 429, 500])


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(body=BODIES, status=STATUSES, secret=st.text(max_size=3), header=st.text())
def test_any_body_becomes_a_value(body: bytes, status: int, secret: str, header: str) -> None:
    headers = {"Date": header, "Retry-After": header}
    came = Raw(status, body, headers=headers, secrets=(secret,) if secret else ())

    for whole in (False, True):
        answered = decode_answer(came, whole=whole)
        assert answered.status == status
        assert len(answered.message) <= 500
        judge(answered, frozenset({429}))
        page = decode_page(came, whole=whole)
        for seen in [answered.seen, *(page.items if page else ())]:
            if seen is not None:
                json.dumps([seen.document(), dict(seen.labels)]).encode()
    assert isinstance(continue_token(came), str)
    for found in (documents.group_versions(body), documents.resources(body, documents.CORE)):
        assert found is None or isinstance(found, list)
    served = aggregated.served(body)
    assert served is None or isinstance(served, aggregated.Served)
    assert lifetime(came, now=0.0) > 0.0


@settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)
@given(
    body=BODIES,
    status=st.integers(100, 999),
    headers=st.dictionaries(
        st.sampled_from(
            [
                *("Content-Encoding", "Transfer-Encoding", "Warning", "Retry-After", "Date"),
                *("Set-Cookie", "Location", "Content-Type", "X-Any"),
            ]
        ),
        st.binary(max_size=30) | st.sampled_from([b"gzip", b"br", b"chunked", b"9" * 5000]),
        max_size=3,
    ),
    cut=st.integers(0, 200),
)
async def test_any_answer_of_a_server_is_a_value_or_an_error_of_ours(
    body: bytes, status: int, headers: dict[str, bytes], cut: int
) -> None:
    lines = [b"HTTP/1.1 %d X" % status, b"Content-Length: %d" % len(body)]
    lines += [name.encode() + b": " + value for name, value in headers.items()]
    content = b"\r\n".join([*lines, b"", b""]) + body

    async with opened(
        in_turn((content[: len(content) - cut], Act.CLOSE)), timeout=0.5, connect_timeout=5.0
    ) as (api, _peer):
        lease: LeaseApi = api.lease("ns", "a")
        for reply in (
            await api.patch(target(), merge(b"{}"), whole=True),
            await api.read(target(), whole=False),
        ):
            assert isinstance(reply, Answer | NoAnswer)
        assert isinstance(await lease.read(), Lease | LeaseTrouble | LeaseMiss)
        try:
            await api.resources()
            async for _ in api.pages(JOBS, namespace=None, selector="", field_selector=""):
                pass
        except FleetpatchError as error:
            assert "\n" not in str(error)  # noqa: PT017 - most often it raises, but not always


@settings(max_examples=40, suppress_health_check=list(HealthCheck), deadline=None)
@given(
    body=BODIES,
    status=st.sampled_from([200, 201, 204, 401, 429, 503]) | st.integers(100, 999),
    headers=st.dictionaries(
        st.sampled_from(["Date", "X-Subject-Token", "Retry-After", "Content-Encoding"]),
        st.binary(max_size=30) | st.sampled_from([b"MIIF", b"Mon, 01 Jan 99999 00:00:00 GMT"]),
        max_size=4,
    ),
)
async def test_any_answer_of_iam_is_a_grant_or_an_error_of_ours(
    body: bytes, status: int, headers: dict[str, bytes]
) -> None:
    lines = [b"HTTP/1.1 %d X" % status, b"Content-Length: %d" % len(body)]
    lines += [name.encode() + b": " + value for name, value in headers.items()]
    content = b"\r\n".join([*lines, b"", b""]) + body

    async with serve(in_turn((content, Act.CLOSE))) as peer:
        try:
            async with open_cci(
                "cci", peer.url, iam(peer.url), clock=VirtualClock(), environ=ENVIRON
            ) as api:
                assert api.name == "cci"
        except CredentialsError as error:
            assert PASSWORD not in str(error)  # noqa: PT017 - most often it raises, not always


def test_a_valid_object_is_readable() -> None:
    seen = decode_answer(raw(an_object("a", app="etl")), whole=True).seen

    assert seen is not None
    assert seen.unreadable == ""
    assert seen.is_readable_at([("spec", "x")])
