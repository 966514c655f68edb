"""Kinds and patches that tests of the checks of providers share."""

from fleetpatch.model.resource import Resource
from tests.model.plans import with_patch

LEASE = Resource("coordination.k8s.io", "v1", "leases", "Lease")
POD = Resource("", "v1", "pods", "Pod")
WIDGET = Resource("example.com", "v1", "widgets", "Widget")

MERGE = "{merge: {spec: {a: b}}}"
STRATEGIC = "{strategic: {spec: {a: b}}}"
JSON = "{json: [{op: add, path: /spec/a, value: b}]}"
APPLY = "{apply: {spec: {a: b}}}"


def on_kubernetes(kind: str, patch: str) -> str:
    return with_patch(patch).replace("jobs.batch", kind)
