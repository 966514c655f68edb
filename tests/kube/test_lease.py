"""One Lease over HTTP: requests, and decoded answers.

Covered: reading, creating and writing on a real API server, conflicts there, what a write does
not change; refusals and silence of a scripted peer; a 401 before new credentials.
Left out: who acquires and renews a Lease (tests/engine/leases).
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fleetpatch.kube.client import ApiServer
from fleetpatch.kube.connection import Grant
from fleetpatch.kube.kubeconfig.connect import connect_to_context
from fleetpatch.kube.lease import LeaseApi
from fleetpatch.model.lease import Lease, LeaseMiss, LeaseRecord, LeaseReply, LeaseTrouble
from tests.control_plane import ControlPlane
from tests.kube.peers import Act, Answers, Peer, VirtualClock, http, in_turn, opened, status

RECORD = LeaseRecord(
    "host_1_abc", 30, "2026-03-01T08:00:00.000001Z", "2026-03-01T08:00:10.000002Z", 2
)
STORED = {
    "metadata": {"name": "relabel", "resourceVersion": "7"},
    "spec": {
        "holderIdentity": "host_1_abc",
        "leaseDurationSeconds": 30,
        "acquireTime": "2026-03-01T08:00:00.000001Z",
        "renewTime": "2026-03-01T08:00:10.000002Z",
        "leaseTransitions": 2,
    },
}
PATH = "/apis/coordination.k8s.io/v1/namespaces/ops/leases"


@asynccontextmanager
async def lease(answers: Answers, **options: Any) -> AsyncIterator[tuple[LeaseApi, Peer]]:
    async with opened(answers, **options) as (api, peer):
        yield api.lease("ops", "relabel"), peer


async def answer_to(*answers: bytes | Act) -> LeaseReply:
    """Return the result of a read that gets these answers."""
    # Short only where no answer comes: others take as long as the machine needs.
    options = {"timeout": 0.2} if Act.HANG in answers else {}
    async with lease(in_turn(*answers), **options) as (leases, _):
        return await leases.read()


# On a real API server


@pytest.mark.control_plane
async def test_a_lease_is_created_updated_and_read_on_a_real_server(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    namespace = control_plane.namespace()
    file = control_plane.kubeconfig(tmp_path / "kubeconfig")
    connection = await connect_to_context(environ={"KUBECONFIG": str(file)})
    path = PATH.replace("ops", namespace) + "/relabel"
    async with ApiServer("real", connection, clock=VirtualClock()) as api:
        leases = api.lease(namespace, "relabel")

        assert await leases.read() is LeaseMiss.ABSENT
        created = await leases.create(RECORD)
        assert isinstance(created, Lease)
        assert created.record == RECORD
        assert await leases.create(RECORD) is LeaseMiss.CONFLICT
        assert await leases.read() == created

        labelled = {"metadata": {"labels": {"of": "others"}}}
        control_plane.request("PATCH", path, labelled, "application/merge-patch+json")
        assert await leases.update(RECORD, created.version) is LeaseMiss.CONFLICT
        seen = await leases.read()
        assert isinstance(seen, Lease)
        released = await leases.update(LeaseRecord("", 30, transitions=2), seen.version)
        assert isinstance(released, Lease)
        assert released.record == LeaseRecord("", 30, transitions=2)

        document = control_plane.request("GET", path).body
        assert document["metadata"]["labels"] == {"of": "others"}
        assert "holderIdentity" not in document["spec"]
        assert api.requests == {"patch": 0, "get": 0, "list": 0}

        elsewhere = await api.lease("not-there", "relabel").create(RECORD)
        assert isinstance(elsewhere, LeaseTrouble)
        assert "create the namespace not-there" in elsewhere.detail
        assert not elsewhere.passing


@pytest.mark.control_plane
async def test_a_user_without_the_rights_sees_which_ones_are_needed(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    file = control_plane.kubeconfig(tmp_path / "kubeconfig", "alice")
    connection = await connect_to_context(environ={"KUBECONFIG": str(file)})
    async with ApiServer("real", connection, clock=VirtualClock()) as api:
        trouble = await api.lease("default", "relabel").read()

    assert isinstance(trouble, LeaseTrouble)
    assert not trouble.passing
    assert trouble.detail.startswith("403 Forbidden: leases.coordination.k8s.io")
    assert "the verbs get, create and patch on leases.coordination.k8s.io" in trouble.detail


# What is sent


async def test_an_update_has_the_version_that_was_read() -> None:
    async with lease(in_turn(http(200, STORED))) as (leases, peer):
        assert await leases.update(RECORD, "6") == Lease(RECORD, "7")

    (request,) = peer.requests
    assert (request.method, request.path) == ("PATCH", f"{PATH}/relabel")
    assert request.headers["content-type"] == "application/merge-patch+json"
    assert request.query == {"fieldManager": "fleetpatch"}
    body = {"metadata": {"resourceVersion": "6"}, "spec": STORED["spec"]}
    assert json.loads(request.body) == body


async def test_a_new_lease_is_posted() -> None:
    async with lease(in_turn(http(201, STORED))) as (leases, peer):
        assert await leases.create(RECORD) == Lease(RECORD, "7")

    (request,) = peer.requests
    assert (request.method, request.path) == ("POST", PATH)
    document = json.loads(request.body)
    assert document["metadata"] == {"name": "relabel"}
    assert (document["kind"], document["spec"]) == ("Lease", STORED["spec"])


# What is made of the answers


@pytest.mark.parametrize("spec", [None, {}, {"holderIdentity": None, "strategy": "x"}])
async def test_missing_fields_of_a_lease_are_empty(spec: Any) -> None:
    document = {"metadata": {"resourceVersion": "7"}} | ({} if spec is None else {"spec": spec})

    assert await answer_to(http(200, document)) == Lease(LeaseRecord(), "7")


async def test_control_characters_in_a_lease_are_removed() -> None:
    spec = {"holderIdentity": "\x1b[31mred\nface", "leaseDurationSeconds": -1}
    document = {"metadata": {"resourceVersion": "7"}, "spec": spec}

    assert await answer_to(http(200, document)) == Lease(LeaseRecord("red face"), "7")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (status(500, "InternalError", "etcdserver: leader changed"), "etcdserver"),
        (status(429, "TooManyRequests", "busy"), "429 TooManyRequests: busy"),
        (http(503, b"<html><title>Bad day</title>"), "Bad day"),
        (http(200, b"<html>"), "not a Lease"),
        (http(200, {"metadata": {}}), "not a Lease"),
        (http(200, STORED | {"kind": "ConfigMap"}), "about another object"),
        (http(200, {"metadata": {"name": "other", "resourceVersion": "7"}}), "another object"),
        (
            http(200, {"metadata": {"namespace": "dev", "resourceVersion": "7"}}),
            "about another object",
        ),
        (
            status(404, "NotFound", "no", details={"kind": "leases", "name": "other"}),
            "404, but the answer is about another object",
        ),
        (Act.RESET, "reset"),
        (Act.HANG, "timeout"),
    ],
)
async def test_a_transient_failure_is_reported_as_transient(
    answer: bytes | Act, words: str
) -> None:
    trouble = await answer_to(answer)

    assert isinstance(trouble, LeaseTrouble)
    assert trouble.passing
    assert words in trouble.detail


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (http(404, b"404 page not found"), "does not serve coordination.k8s.io/v1"),
        (status(404, "NotFound", "could not find", details={}), "does not serve"),
        (status(400, "BadRequest", "no"), "400 BadRequest: no"),
        (status(422, "Invalid", "no"), "422 Invalid: no"),
        (status(403, "Forbidden", "no"), "grant them, or remove `lock` from the plan"),
        (status(401, "Unauthorized", "Unauthorized"), "log in again"),
    ],
)
async def test_a_lasting_failure_says_what_to_do(answer: bytes, words: str) -> None:
    trouble = await answer_to(answer)

    assert isinstance(trouble, LeaseTrouble)
    assert not trouble.passing
    assert words in trouble.detail


async def test_after_a_401_the_request_is_sent_with_new_credentials() -> None:
    async def fresh() -> Grant:
        return Grant.authorizing("Bearer fresh")

    answers = in_turn(status(401, "Unauthorized"), http(200, STORED))
    async with lease(answers, renewal=fresh) as (leases, peer):
        assert await leases.read() == Lease(RECORD, "7")

    assert [request.headers["authorization"] for request in peer.requests][1] == "Bearer fresh"
