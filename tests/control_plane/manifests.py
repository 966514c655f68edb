"""The job kinds, minimal manifests of them, and the RBAC of the user who patches them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Manifest = dict[str, Any]

_POD_TEMPLATE: Manifest = {
    "spec": {
        "restartPolicy": "Never",
        "containers": [{"name": "main", "image": "busybox", "command": ["true"]}],
    }
}


@dataclass(frozen=True)
class JobKind:
    """One kind of job object; `spec` is the least that the API server accepts for it."""

    group: str
    version: str
    plural: str
    kind: str
    spec: Manifest

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}"

    def path(self, namespace: str, name: str | None = None) -> str:
        """Return the path of the collection in `namespace`, or of the object `name` in it."""
        collection = f"/apis/{self.api_version}/namespaces/{namespace}/{self.plural}"
        return collection if name is None else f"{collection}/{name}"

    def manifest(self, name: str, labels: Mapping[str, str] | None = None) -> Manifest:
        return {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "metadata": {"name": name, "labels": dict(labels or {})},
            "spec": self.spec,
        }


def _kubeflow(plural: str, kind: str, replica_specs: str) -> JobKind:
    replicas = {"Worker": {"replicas": 1, "template": _POD_TEMPLATE}}
    return JobKind("kubeflow.org", "v1", plural, kind, {replica_specs: replicas})


_KINDS = (
    JobKind("batch", "v1", "jobs", "Job", {"template": _POD_TEMPLATE}),
    JobKind(
        "batch.volcano.sh",
        "v1alpha1",
        "jobs",
        "Job",
        {
            "schedulerName": "volcano",
            "minAvailable": 1,
            "tasks": [{"name": "main", "replicas": 1, "template": _POD_TEMPLATE}],
        },
    ),
    _kubeflow("tfjobs", "TFJob", "tfReplicaSpecs"),
    _kubeflow("mxjobs", "MXJob", "mxReplicaSpecs"),
    _kubeflow("pytorchjobs", "PyTorchJob", "pytorchReplicaSpecs"),
)

JOB_KINDS: Mapping[str, JobKind] = {f"{kind.plural}.{kind.group}": kind for kind in _KINDS}
"""The five job kinds, by the name `plural.group` that a CRD of theirs has: `jobs.batch` etc."""


def patcher_role(name: str) -> Manifest:
    """Return a ClusterRole that may get, list and patch job objects and read namespaces."""
    rules = [
        {"apiGroups": [kind.group], "resources": [kind.plural], "verbs": ["get", "list", "patch"]}
        for kind in _KINDS
    ]
    rules.append({"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list"]})
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": rules,
    }


def user_binding(role: str, user: str) -> Manifest:
    """Return a ClusterRoleBinding of `role` to `user`."""
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"{role}-{user}"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
    }
