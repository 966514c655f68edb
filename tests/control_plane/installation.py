"""Installs the CRDs of the job kinds and the rights of the user alice."""

from pathlib import Path

from .client import RawClient
from .manifests import JOB_KINDS, Manifest, patcher_role, user_binding
from .processes import ControlPlaneError, Process

_CRDS = Path(__file__).parent / "crds"
_ROLE = "job-patcher"
_AGGREGATED = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,"
    "application/json"
)


def install(admin: RawClient, user: RawClient, user_name: str, apiserver: Process) -> None:
    """Create the CRDs and the rights of `user_name`, and return when the server applies both.

    `user` is a client with the token of `user_name`, with which the result is observed;
    `apiserver` is the process whose log explains why that did not happen.
    """
    for crd in sorted(_CRDS.glob("*.yaml")):
        _create(
            admin,
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            crd.read_bytes(),
            "application/yaml",
        )
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    _create(admin, f"{rbac}/clusterroles", patcher_role(_ROLE))
    _create(admin, f"{rbac}/clusterrolebindings", user_binding(_ROLE, user_name))

    def serves_all_kinds() -> bool:
        if not all(_serves(user, name) for name in JOB_KINDS):
            return False
        # The server makes this namespace itself, some time after it is ready.
        has_default = admin.request("GET", "/api/v1/namespaces/default").status == 200
        return has_default and lists_all_kinds(user) and _discovers(user)

    apiserver.wait_until(serves_all_kinds, f"the job kinds are served to {user_name}")


def lists_all_kinds(client: RawClient) -> bool:
    """Return whether all job kinds can be listed.

    A server since 1.31 that has just been started, or whose etcd has, answers 429 ("storage is
    (re)initializing") for a while, although it is ready.
    """
    # With a selector the list always needs the cache that is initialized then.
    query = "labelSelector=no.such/label"
    paths = (f"/apis/{kind.api_version}/{kind.plural}?{query}" for kind in JOB_KINDS.values())
    return all(client.request("GET", path).status == 200 for path in paths)


def _serves(user: RawClient, name: str) -> bool:
    kind = JOB_KINDS[name]
    response = user.request("GET", f"/apis/{kind.api_version}")
    return response.status == 200 and any(
        resource["name"] == kind.plural for resource in response.body["resources"]
    )


def _discovers(user: RawClient) -> bool:
    """Return whether the document of all groups has the job kinds, where a server has one.

    A server since 1.26 adds a new kind to it later than to the document of its group.
    """
    body = user.request("GET", "/apis", headers={"Accept": _AGGREGATED}).body
    if body.get("kind") != "APIGroupDiscoveryList":
        return True
    found = {
        f"{resource['resource']}.{group['metadata']['name']}"
        for group in body["items"]
        for version in group["versions"]
        if version.get("freshness") == "Current"
        for resource in version.get("resources", ())
    }
    return JOB_KINDS.keys() <= found


def _create(
    admin: RawClient, path: str, body: Manifest | bytes, content_type: str = "application/json"
) -> None:
    response = admin.request("POST", path, body, content_type)
    if response.status != 201:
        raise ControlPlaneError(f"POST {path}: {response.status} {response.body}")
