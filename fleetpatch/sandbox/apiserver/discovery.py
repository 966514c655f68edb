"""The kinds that the sandbox serves, and the discovery documents that list them.

kubectl requests the OpenAPI document before it creates an object. The sandbox's is empty (in
protobuf, zero bytes), so clients skip their own validation. A release with aggregated discovery
sends one document of all groups to clients that accept it.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from msgspec.structs import replace

from fleetpatch.model.fields import Json
from fleetpatch.model.resource import Resource
from fleetpatch.sandbox.apiserver.release import Release
from fleetpatch.sandbox.apiserver.statuses import ApiReply, encode, ok, text

NAMESPACES: Final = Resource(
    "", "v1", "namespaces", "Namespace", short_names=("ns",), namespaced=False
)
BATCH_JOBS: Final = Resource("batch", "v1", "jobs", "Job")
CRON_JOBS: Final = Resource("batch", "v1", "cronjobs", "CronJob", short_names=("cj",))
OLD_CRON_JOBS: Final = replace(CRON_JOBS, version="v1beta1")
JOB_SETS: Final = Resource("jobset.x-k8s.io", "v1alpha2", "jobsets", "JobSet", "jobset")
PODS: Final = Resource("", "v1", "pods", "Pod", short_names=("po",))
POD_TEMPLATES: Final = Resource("", "v1", "podtemplates", "PodTemplate")
DEPLOYMENTS: Final = Resource("apps", "v1", "deployments", "Deployment", short_names=("deploy",))
JOB_KINDS: Final = (
    BATCH_JOBS,
    Resource("batch.volcano.sh", "v1alpha1", "jobs", "Job", "job", ("vcjob", "vj")),
    Resource("kubeflow.org", "v1", "mxjobs", "MXJob", "mxjob"),
    Resource("kubeflow.org", "v1", "pytorchjobs", "PyTorchJob", "pytorchjob"),
    Resource("kubeflow.org", "v1", "tfjobs", "TFJob", "tfjob"),
)
LEASES: Final = Resource("coordination.k8s.io", "v1", "leases", "Lease", "lease")
WORKLOADS: Final = (*JOB_KINDS, JOB_SETS, CRON_JOBS, OLD_CRON_JOBS, PODS)
"""Jobs, and what owns them and what they own."""
SERVED: Final = (NAMESPACES, *WORKLOADS, POD_TEMPLATES, DEPLOYMENTS, LEASES)
"""What the sandbox serves in one of its versions."""

_PROTOBUF: Final = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_AGGREGATED: Final = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_READ_AND_CREATE: Final = ("create", "get", "list")
_ALL: Final = ("create", "delete", "get", "list", "patch", "update")


def is_custom(resource: Resource) -> bool:
    """Whether a CustomResourceDefinition would define the kind, and not the server itself."""
    return not is_built_in(resource.group)


def served(release: Release) -> tuple[Resource, ...]:
    """What a server of `release` serves."""
    other = OLD_CRON_JOBS if release.has_cron_jobs_v1 else CRON_JOBS
    return tuple(resource for resource in SERVED if resource != other)


def has_generation(release: Release, resource: Resource) -> bool:
    """Whether changes of the spec of an object are counted in `metadata.generation`."""
    counts = is_custom(resource) or resource == DEPLOYMENTS
    return counts or (release.has_generations and resource in (*WORKLOADS, POD_TEMPLATES))


def content_field(resource: Resource) -> str:
    """The field with the content of an object; changes of it are counted."""
    return "template" if resource == POD_TEMPLATES else "spec"


def has_status(resource: Resource) -> bool:
    """Whether an object has a status, and a subresource for it."""
    return resource not in (LEASES, POD_TEMPLATES)


def find(release: Release, group: str, version: str, plural: str) -> Resource | None:
    """The served resource of that name, or None."""
    return _by_path(release).get((group, version, plural))


def verbs_of(resource: Resource) -> tuple[str, ...]:
    """The verbs of a resource: namespaces cannot be changed, all others can."""
    return _READ_AND_CREATE if resource == NAMESPACES else _ALL


def is_built_in(group: str) -> bool:
    """Whether the server itself serves the group; its 404s are Status bodies, not plain text."""
    return group in ("", BATCH_JOBS.group, DEPLOYMENTS.group, LEASES.group)


def document(release: Release, path: str, accept: str) -> ApiReply | None:
    """The answer to a GET of a path outside the resources, or None if it is not such a path."""
    path = path.rstrip("/") or "/"
    if release.aggregates_discovery and _accepts_aggregated(accept) and path in ("/api", "/apis"):
        return _aggregated(release)[path]
    return _documents(release).get(path)


def _accepts_aggregated(accept: str) -> bool:
    """Whether the first representation in an Accept header is the aggregated one."""
    return accept.partition(",")[0].replace(" ", "") == _AGGREGATED


def _described(release: Release, resource: Resource) -> list[Json]:
    """The entries of an APIResourceList for a resource and its status subresource."""
    base: Json = {
        "name": resource.plural,
        "singularName": _singular(release, resource),
        "namespaced": resource.namespaced,
        "kind": resource.kind,
    }
    status = {**base, "name": f"{resource.plural}/status", "singularName": "", "verbs": ["get"]}
    if resource.short_names:
        base["shortNames"] = list(resource.short_names)
    described: Json = {**base, "verbs": list(verbs_of(resource))}
    return [described, status] if has_status(resource) else [described]


def _singular(release: Release, resource: Resource) -> str:
    return resource.singular or (resource.kind.lower() if release.names_singulars else "")


def _resource_list(release: Release, api_version: str, resources: Iterable[Resource]) -> Json:
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": api_version,
        "resources": [entry for resource in resources for entry in _described(release, resource)],
    }


def _group(name: str, resources: Iterable[Resource]) -> Json:
    """The entry of a group; its first version is the preferred one."""
    versions = [
        {"groupVersion": f"{name}/{version}", "version": version}
        for version in dict.fromkeys(resource.version for resource in resources)
    ]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


# Discovery never changes, so the documents of a release are encoded once.
@lru_cache
def _documents(release: Release) -> Mapping[str, ApiReply]:
    """The answers to all paths outside the resources."""
    in_groups = [resource for resource in served(release) if resource.group]
    names = dict.fromkeys(resource.group for resource in in_groups)
    of_group = {name: [one for one in in_groups if one.group == name] for name in names}
    groups = {name: _group(name, resources) for name, resources in of_group.items()}
    documents: dict[str, Json] = {
        "/api": {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": list(groups.values())},
        "/api/v1": _resource_list(release, "v1", [NAMESPACES, PODS, POD_TEMPLATES]),
        "/version": {
            "major": "1",
            "minor": release.minor,
            "gitVersion": release.git_version,
            "platform": "sandbox",
        },
    }
    # Each group has a document for its versions, and one for the resources of each version.
    for name, group in groups.items():
        documents[f"/apis/{name}"] = {"kind": "APIGroup", "apiVersion": "v1", **group}
        for version in dict.fromkeys(resource.api_version for resource in of_group[name]):
            resources = [one for one in of_group[name] if one.api_version == version]
            documents[f"/apis/{version}"] = _resource_list(release, version, resources)
    documents["/"] = {"paths": sorted(documents)}
    replies = {path: ok(content) for path, content in documents.items()}
    health = {path: text(200, "ok") for path in ("/healthz", "/livez", "/readyz")}
    return replies | health | {"/openapi/v2": ApiReply(200, b"", _PROTOBUF)}


@lru_cache
def _aggregated(release: Release) -> Mapping[str, ApiReply]:
    """The documents of all groups, and of the core group, which has no name."""
    groups: dict[str, list[Resource]] = {}
    for resource in served(release):
        groups.setdefault(resource.group, []).append(resource)
    core = _aggregated_group(release, "", groups.pop(""))
    named = [_aggregated_group(release, group, resources) for group, resources in groups.items()]
    return {path: _group_list(items) for path, items in (("/apis", named), ("/api", [core]))}


def _group_list(items: list[Json]) -> ApiReply:
    kind = {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2"}
    return ApiReply(200, encode({**kind, "metadata": {}, "items": items}), _AGGREGATED)


def _aggregated_group(release: Release, group: str, resources: list[Resource]) -> Json:
    version = {
        "version": resources[0].version,
        "resources": [_aggregated_resource(release, resource) for resource in resources],
        "freshness": "Current",
    }
    return {"metadata": {"name": group} if group else {}, "versions": [version]}


def _aggregated_resource(release: Release, resource: Resource) -> Json:
    # Only a definition names its group and version here; those of built-in kinds are empty.
    custom = is_custom(resource)
    kind = {
        "group": resource.group if custom else "",
        "version": resource.version if custom else "",
        "kind": resource.kind,
    }
    described: Json = {
        "resource": resource.plural,
        "responseKind": kind,
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": _singular(release, resource),
        "verbs": list(verbs_of(resource)),
    }
    if resource.short_names:
        described["shortNames"] = list(resource.short_names)
    if has_status(resource):
        status = {"subresource": "status", "responseKind": kind, "verbs": ["get"]}
        described["subresources"] = [status]
    return described


@lru_cache
def _by_path(release: Release) -> Mapping[tuple[str, str, str], Resource]:
    return {(each.group, each.version, each.plural): each for each in served(release)}
