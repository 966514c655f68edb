"""A null field is an absent one, as in Go.

Covered: a Status, objects, pages, discovery and Leases with null where a value is expected, and
numbers of a Lease that are beyond int32. Left out: bodies of other types (test_arbitrary_bodies).
"""

import json
from typing import Any

import pytest

from fleetpatch.kube.discovery import documents
from fleetpatch.kube.http.decoding import continue_token, decode_answer, decode_page
from fleetpatch.model.lease import Lease, LeaseMiss, LeaseRecord, LeaseTrouble
from fleetpatch.rules.answers.verdicts import is_gone
from tests.kube.http.bodies import METADATA, raw
from tests.kube.peers import http, in_turn, opened


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
