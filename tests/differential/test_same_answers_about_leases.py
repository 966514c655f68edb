"""Requests for Leases get the same answers from the sandbox and from a real API server.

Covers creation, reading, PATCH and PUT with right, stale and missing versions, wrong types and
values, deletion. Left out: a PUT of a missing Lease, which the real server creates.
"""

from typing import Any

import pytest

from tests.control_plane import JobKind
from tests.differential.generated import Step
from tests.differential.servers import BothServers

pytestmark = pytest.mark.control_plane

MERGE = "application/merge-patch+json"
LEASES = JobKind("coordination.k8s.io", "v1", "leases", "Lease", {"holderIdentity": "a"})
TIME = "2026-03-01T08:00:00.000000Z"
SPECS: list[Any] = [
    {"holderIdentity": "b", "leaseDurationSeconds": 15, "leaseTransitions": 3},
    {"acquireTime": TIME, "renewTime": TIME},
    {"holderIdentity": None, "renewTime": None},
    {"leaseDurationSeconds": 0},
    {"leaseDurationSeconds": -5, "leaseTransitions": -1},
    {"leaseDurationSeconds": "15"},
    {"holderIdentity": 5},
    {"renewTime": "now"},
    {"unknown": 5},
    {},
    None,
]


def test_new_leases(both: BothServers) -> None:
    path = LEASES.path(both.namespace)

    for number, spec in enumerate(SPECS):
        manifest = {**LEASES.manifest(f"new-{number}"), "spec": spec}
        sandbox, real = both.answers(Step("POST", manifest), path)
        assert sandbox == real, spec
    again = Step("POST", LEASES.manifest("new-0"))
    absent = Step("GET")
    assert len(set(both.answers(again, path))) == 1
    assert len(set(both.answers(absent, LEASES.path(both.namespace, "absent")))) == 1
    assert len(set(both.answers(again, LEASES.path("not-there")))) == 1


@pytest.mark.parametrize("version", ["VERSION", "STALE", None])
def test_merge_patches_of_leases(both: BothServers, version: str | None) -> None:
    subjects = both.object(LEASES, f"patched-{version}".lower())

    for spec in SPECS:
        body = {"metadata": {"resourceVersion": version} if version else {}, "spec": spec}
        step = Step("PATCH", body, content_type=MERGE)
        sandbox, real = (subject.send(step) for subject in subjects)
        assert sandbox == real, step


def test_replaced_and_deleted_leases(both: BothServers) -> None:
    subjects = both.object(LEASES, "replaced")

    for change in (
        {"labels": {"new": "yes"}, "resourceVersion": "VERSION"},
        {"labels": {"newer": "yes"}, "resourceVersion": "STALE"},
        {"labels": {"newest": "yes"}, "resourceVersion": None},
    ):
        sandbox, real = (subject.replace(change) for subject in subjects)
        assert sandbox == real, change
    deleted = both.answers(Step("DELETE"), LEASES.path(both.namespace, "replaced"))
    assert len(set(deleted)) == 1
