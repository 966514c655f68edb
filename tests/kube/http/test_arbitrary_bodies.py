"""Whatever comes over the network becomes a value or an error of ours.

Covered: bodies of any shape, and damaged ones, as answers to PATCH and GET, pages, discovery and
IAM, by the functions that decode them, and by one client against a server that sends arbitrary
bytes. Left out: bodies with one known fault (test_decoding, test_null_fields, test_deep_bodies).
"""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleetpatch.errors import CredentialsError, FleetpatchError
from fleetpatch.kube.cci.iam import lifetime
from fleetpatch.kube.discovery import aggregated, documents
from fleetpatch.kube.http.decoding import Raw, continue_token, decode_answer, decode_page
from fleetpatch.kube.http.lenient_json import KEPT_DEPTH
from fleetpatch.kube.lease import LeaseApi
from fleetpatch.model.answer import Answer, NoAnswer
from fleetpatch.model.lease import Lease, LeaseMiss, LeaseTrouble
from fleetpatch.rules.answers.verdicts import judge
from tests.kube.cci.clouds import ENVIRON, PASSWORD, iam, open_cci
from tests.kube.http.bodies import METADATA, raw
from tests.kube.peers import (
    JOBS,
    Act,
    VirtualClock,
    an_object,
    in_turn,
    merge,
    opened,
    serve,
    target,
)

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
            await api.get(target(), whole=False),
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
