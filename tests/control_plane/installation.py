"""Installs the CRDs of the job kinds and the rights of the user alice."""

from pathlib import Path

from .client import RawClient
from .manifests import JOB_KINDS, Manifest, patcher_role, user_binding
from .processes import ControlPlaneError, Process

_CRDS = Path(__file__).parent / "crds"
_ROLE = "job-patcher"


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
        return all(_serves(user, name) for name in JOB_KINDS)

    apiserver.wait_until(serves_all_kinds, f"the job kinds are served to {user_name}")


def _serves(user: RawClient, name: str) -> bool:
    kind = JOB_KINDS[name]
    discovery = f"/apis/{kind.api_version}"
    if user.request("GET", f"{discovery}/{kind.plural}?limit=1").status != 200:
        return False
    response = user.request("GET", discovery)
    return response.status == 200 and any(
        resource["name"] == kind.plural for resource in response.body["resources"]
    )


def _create(
    admin: RawClient, path: str, body: Manifest | bytes, content_type: str = "application/json"
) -> None:
    response = admin.request("POST", path, body, content_type)
    if response.status != 201:
        raise ControlPlaneError(f"POST {path}: {response.status} {response.body}")
