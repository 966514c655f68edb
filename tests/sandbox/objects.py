"""Helpers that create objects for the tests of the sandbox."""

from typing import Any

from tests.control_plane import JOB_KINDS
from tests.sandbox.serving import SandboxThread

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
NAMESPACE = "default"
BATCH = JOB_KINDS["jobs.batch"]
TENSORFLOW = JOB_KINDS["tfjobs.kubeflow.org"]
KIND_NAMES = sorted(JOB_KINDS)


def create(
    running: SandboxThread,
    name: str,
    labels: dict[str, str] | None = None,
    kind: str = "jobs.batch",
) -> str:
    """Create an object in the namespace `default` and return its path."""
    of_kind = JOB_KINDS[kind]
    manifest = of_kind.manifest(name, {"app": "etl"} if labels is None else labels)
    response = running.client.request("POST", of_kind.path(NAMESPACE), manifest)
    assert response.status == 201, response.body
    return of_kind.path(NAMESPACE, name)


def metadata(running: SandboxThread, path: str) -> dict[str, Any]:
    """The metadata of the object at `path`."""
    found: dict[str, Any] = running.client.request("GET", path).body["metadata"]
    return found


def relabel(**labels: str | None) -> dict[str, Any]:
    """The body of a merge patch of labels."""
    return {"metadata": {"labels": labels}}
