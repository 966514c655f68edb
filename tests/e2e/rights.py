"""Roles and bindings on a real API server, and what its authorizer makes of them."""

from typing import Any, TypeAlias

from tests.control_plane import ControlPlane

Manifest: TypeAlias = dict[str, Any]


def collection(manifest: Manifest) -> str:
    """Return the path to which a role or a binding is posted."""
    namespace = manifest["metadata"].get("namespace")
    place = f"/namespaces/{namespace}" if namespace else ""
    return f"/apis/rbac.authorization.k8s.io/v1{place}/{manifest['kind'].lower()}s"


def is_allowed(
    plane: ControlPlane, user: str, rule: Manifest, verb: str, namespace: str = ""
) -> bool:
    """Ask the server whether a user has a right of a rule."""
    attributes = {
        "group": rule["apiGroups"][0],
        "resource": rule["resources"][0],
        "name": rule.get("resourceNames", [""])[0],
        "verb": verb,
        "namespace": namespace,
    }
    review = {"spec": {"user": user, "resourceAttributes": attributes}}
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    return bool(plane.request("POST", path, review).body["status"]["allowed"])
