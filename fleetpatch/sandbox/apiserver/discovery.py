"""The kinds that the sandbox serves, and the discovery documents that list them.

kubectl requests the OpenAPI document before it creates an object. The sandbox's is empty (in
protobuf, zero bytes), so clients skip their own validation.
"""

from collections.abc import Iterable
from types import MappingProxyType
from typing import Final

from fleetpatch.model.fields import Json
from fleetpatch.model.resource import Resource
from fleetpatch.sandbox.apiserver.statuses import ApiReply, ok, text

NAMESPACES: Final = Resource(
    "", "v1", "namespaces", "Namespace", short_names=("ns",), namespaced=False
)
BATCH_JOBS: Final = Resource("batch", "v1", "jobs", "Job")
CRON_JOBS: Final = Resource("batch", "v1beta1", "cronjobs", "CronJob", short_names=("cj",))
PODS: Final = Resource("", "v1", "pods", "Pod", short_names=("po",))
JOB_KINDS: Final = (
    BATCH_JOBS,
    Resource("batch.volcano.sh", "v1alpha1", "jobs", "Job", "job", ("vcjob", "vj")),
    Resource("kubeflow.org", "v1", "mxjobs", "MXJob", "mxjob"),
    Resource("kubeflow.org", "v1", "pytorchjobs", "PyTorchJob", "pytorchjob"),
    Resource("kubeflow.org", "v1", "tfjobs", "TFJob", "tfjob"),
)
LEASES: Final = Resource("coordination.k8s.io", "v1", "leases", "Lease", "lease")
WORKLOADS: Final = (*JOB_KINDS, CRON_JOBS, PODS)
"""Jobs, and what owns them and what they own."""
SERVED: Final = (NAMESPACES, *WORKLOADS, LEASES)
VERSION: Final = "v1.20.2"

_PROTOBUF: Final = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_READ_AND_CREATE: Final = ("create", "get", "list")
_ALL: Final = ("create", "delete", "get", "list", "patch", "update")


def is_custom(resource: Resource) -> bool:
    """Whether a CustomResourceDefinition would define the kind, and not the server itself."""
    return not is_built_in(resource.group)


def find(group: str, version: str, plural: str) -> Resource | None:
    """The served resource of that name, or None."""
    return _BY_PATH.get((group, version, plural))


def verbs_of(resource: Resource) -> tuple[str, ...]:
    """The verbs of a resource: namespaces cannot be changed, all others can."""
    return _READ_AND_CREATE if resource == NAMESPACES else _ALL


def is_built_in(group: str) -> bool:
    """Whether the server itself serves the group; its 404s are Status bodies, not plain text."""
    return group in ("", BATCH_JOBS.group, LEASES.group)


def document(path: str) -> ApiReply | None:
    """The answer to a GET of a path outside the resources, or None if it is not such a path."""
    return _DOCUMENTS.get(path.rstrip("/") or "/")


def _described(resource: Resource) -> list[Json]:
    """The entries of an APIResourceList for a resource and its status subresource."""
    base: Json = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
    }
    status = {**base, "name": f"{resource.plural}/status", "singularName": "", "verbs": ["get"]}
    if resource.short_names:
        base["shortNames"] = list(resource.short_names)
    described: Json = {**base, "verbs": list(verbs_of(resource))}
    # Leases do not have a status.
    return [described] if resource == LEASES else [described, status]


def _resource_list(api_version: str, resources: Iterable[Resource]) -> Json:
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": api_version,
        "resources": [entry for resource in resources for entry in _described(resource)],
    }


def _group(name: str, resources: Iterable[Resource]) -> Json:
    """The entry of a group; its first version is the preferred one."""
    versions = [
        {"groupVersion": f"{name}/{version}", "version": version}
        for version in dict.fromkeys(resource.version for resource in resources)
    ]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def _documents() -> dict[str, ApiReply]:
    """The answers to all paths outside the resources."""
    in_groups = [resource for resource in (*JOB_KINDS, CRON_JOBS, LEASES) if resource.group]
    names = dict.fromkeys(resource.group for resource in in_groups)
    of_group = {name: [one for one in in_groups if one.group == name] for name in names}
    groups = {name: _group(name, resources) for name, resources in of_group.items()}
    documents: dict[str, Json] = {
        "/api": {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": list(groups.values())},
        "/api/v1": _resource_list("v1", [NAMESPACES, PODS]),
        "/version": {"major": "1", "minor": "20", "gitVersion": VERSION, "platform": "sandbox"},
    }
    # Each group has a document for its versions, and one for the resources of each version.
    for name, group in groups.items():
        documents[f"/apis/{name}"] = {"kind": "APIGroup", "apiVersion": "v1", **group}
        for version in dict.fromkeys(resource.api_version for resource in of_group[name]):
            resources = [one for one in of_group[name] if one.api_version == version]
            documents[f"/apis/{version}"] = _resource_list(version, resources)
    documents["/"] = {"paths": sorted(documents)}
    replies = {path: ok(content) for path, content in documents.items()}
    health = {path: text(200, "ok") for path in ("/healthz", "/livez", "/readyz")}
    return replies | health | {"/openapi/v2": ApiReply(200, b"", _PROTOBUF)}


# Discovery never changes, so all documents are encoded once.
_BY_PATH: Final = MappingProxyType(
    {(each.group, each.version, each.plural): each for each in SERVED}
)
_DOCUMENTS: Final = MappingProxyType(_documents())
