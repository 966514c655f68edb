"""Labels and annotations that belong to controllers and deployment tools, and their owners.

Changing one by hand breaks its owner: a controller no longer finds its Pods, a queue or a release
loses the object, a tool deletes the object or rolls it back. A plan that writes one is refused
unless it names the key in `guards.allowKeys`. docs/reference.md contains the table.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

import msgspec


class KeyOwner(msgspec.Struct, frozen=True):
    """An owner of label and annotation keys.

    A key that ends in `/*` means all keys with that prefix. `why` says what the owner uses them
    for, and `source` where that is documented. `groups` are the API groups whose kinds it controls.
    """

    name: str
    keys: tuple[str, ...]
    why: str
    source: str
    groups: tuple[str, ...] = ()


OWNERS: Final = (
    KeyOwner(
        "the job's controller",
        ("batch.kubernetes.io/*", "cronjob.kubernetes.io/*", "controller-uid", "job-name"),
        "it finds its Pods with these keys",
        "kubernetes.io/docs/reference/labels-annotations-taints",
        ("batch",),
    ),
    KeyOwner(
        "the controllers of Deployments, StatefulSets and DaemonSets",
        (
            *("apps.kubernetes.io/*", "deployment.kubernetes.io/*", "statefulset.kubernetes.io/*"),
            *("controller-revision-hash", "pod-template-generation", "pod-template-hash"),
        ),
        "they tell revisions apart with these keys",
        "kubernetes.io/docs/reference/labels-annotations-taints",
    ),
    KeyOwner(
        "Kubeflow's training operators",
        (
            *("trainer.kubeflow.org/*", "training.kubeflow.org/*"),
            *("group-name", "mpi-job-name", "mpi-job-role", "pytorch-job-name"),
            *("replica-index", "replica-type", "tf-job-name"),
        ),
        "they find their Pods with these keys",
        "github.com/kubeflow/trainer, pkg/apis/kubeflow.org/v1/common_types.go",
        ("kubeflow.org", "trainer.kubeflow.org"),
    ),
    KeyOwner(
        "Volcano",
        ("scheduling.k8s.io/group-name", "scheduling.volcano.sh/*", "volcano.sh/*"),
        "these keys say which queue and PodGroup schedule a job",
        "github.com/volcano-sh/apis, pkg/apis/scheduling/v1beta1/labels.go",
        ("batch.volcano.sh",),
    ),
    KeyOwner(
        "Kueue",
        ("kueue.x-k8s.io/*", "provreq.kueue.x-k8s.io/*"),
        "these keys say which queue, priority and Workload admit a job",
        "pkg.go.dev/sigs.k8s.io/kueue/pkg/controller/constants",
        ("kueue.x-k8s.io",),
    ),
    KeyOwner(
        "YuniKorn",
        ("yunikorn.apache.org/*",),
        "these keys say which application and queue schedule a job",
        "yunikorn.apache.org/docs/user_guide/labels_and_annotations_in_yunikorn",
    ),
    KeyOwner(
        "JobSet and LeaderWorkerSet",
        (
            *("alpha.jobset.sigs.k8s.io/*", "jobset.sigs.k8s.io/*"),
            "leaderworkerset.sigs.k8s.io/*",
        ),
        "they find their Jobs and Pods with these keys",
        "jobset.sigs.k8s.io/docs/reference; lws.sigs.k8s.io/docs/reference",
        ("jobset.x-k8s.io", "leaderworkerset.x-k8s.io"),
    ),
    KeyOwner(
        "KubeRay",
        ("ray.io/*",),
        "it finds its Pods and clusters with these keys",
        "github.com/ray-project/kuberay, ray-operator/controllers/ray/utils/constant.go",
        ("ray.io",),
    ),
    KeyOwner(
        "the Spark operator",
        ("sparkoperator.k8s.io/*", "spark-app-selector", "spark-exec-id", "spark-role"),
        "it finds the Pods of an application with these keys",
        "github.com/kubeflow/spark-operator, pkg/common/spark.go; github.com/apache/spark,"
        " resource-managers/kubernetes, Constants.scala",
        ("sparkoperator.k8s.io",),
    ),
    KeyOwner(
        "Argo Workflows, Events and Rollouts",
        (
            "argo-rollouts.argoproj.io/*",
            *("events.argoproj.io/*", "rollout.argoproj.io/*", "workflows.argoproj.io/*"),
            "rollouts-pod-template-hash",
        ),
        "they find and follow their objects with these keys",
        "github.com/argoproj/argo-workflows, workflow/common/common.go",
        ("argoproj.io",),
    ),
    KeyOwner(
        "Tekton",
        ("tekton.dev/*",),
        "it finds its TaskRuns and Pods with these keys",
        "tekton.dev/docs/pipelines/labels",
    ),
    KeyOwner(
        "Cluster API",
        ("cluster.x-k8s.io/*",),
        "it finds the Machines of a cluster with these keys",
        "cluster-api.sigs.k8s.io/reference/api/labels-and-annotations",
    ),
    KeyOwner(
        "Crossplane",
        ("crossplane.io/*",),
        "these keys say which external resource and claim an object belongs to",
        "docs.crossplane.io",
    ),
    KeyOwner(
        "the Operator Lifecycle Manager",
        ("olm.owner", "olm.owner.kind", "olm.owner.namespace", "operators.coreos.com/*"),
        "it finds the objects of an operator with these keys",
        "olm.operatorframework.io/docs",
    ),
    KeyOwner(
        "Argo CD",
        ("app.kubernetes.io/instance", "argocd.argoproj.io/*"),
        "these keys say which application an object belongs to: it may be pruned",
        "argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking",
    ),
    KeyOwner(
        "Helm",
        ("app.kubernetes.io/managed-by", "helm.sh/*", "meta.helm.sh/*"),
        "these keys say which release an object belongs to: the next upgrade may fail",
        "helm.sh/docs/topics/charts_hooks; github.com/helm/helm, pkg/action/validate.go",
    ),
    KeyOwner(
        "Flux",
        (
            *("helm.toolkit.fluxcd.io/*", "kustomize.toolkit.fluxcd.io/*"),
            *("fluxcd.io/*", "reconcile.fluxcd.io/*"),
        ),
        "these keys say which Kustomization or release an object belongs to: it may be pruned",
        "fluxcd.io/flux/components/kustomize/kustomizations",
    ),
    KeyOwner(
        "kubectl apply",
        ("applyset.kubernetes.io/*", "kubectl.kubernetes.io/last-applied-configuration"),
        "these keys say what to remove and what to prune",
        "kubernetes.io/docs/reference/labels-annotations-taints",
    ),
    KeyOwner(
        "kustomize, kpt and other tools that apply configurations",
        (
            *("cli-utils.sigs.k8s.io/*", "config.k8s.io/*", "config.kubernetes.io/*"),
            *("internal.config.kubernetes.io/*", "kapp.k14s.io/*", "objectset.rio.cattle.io/*"),
            *("configmanagement.gke.io/*", "configsync.gke.io/*", "fleet.cattle.io/*"),
        ),
        "these keys say which inventory an object belongs to: it may be pruned",
        "kubernetes.io/docs/reference/labels-annotations-taints; carvel.dev/kapp/docs",
    ),
)
"""Every owner and its keys."""


def _keys_and_owners() -> Iterator[tuple[str, KeyOwner]]:
    for owner in OWNERS:
        for key in owner.keys:
            yield key, owner


_OWNER_OF: Final[Mapping[str, KeyOwner]] = MappingProxyType(dict(_keys_and_owners()))


def owner_of(key: str) -> KeyOwner | None:
    """Return the owner of the label or annotation `key`, or None."""
    prefix, slash, _ = key.partition("/")
    # A single key comes first: its owner may differ from that of its prefix.
    return _OWNER_OF.get(key) or (_OWNER_OF.get(f"{prefix}/*") if slash else None)


def keys_of(group: str) -> tuple[str, ...]:
    """Return the keys that belong to the controllers of the kinds of an API group."""
    return tuple(key for owner in OWNERS if group in owner.groups for key in owner.keys)


def owned_within(beginning: str) -> Iterator[tuple[str, KeyOwner]]:
    """Yield the protected keys, and prefixes (`helm.sh/*`), of which some begin with this text."""
    for key, owner in _OWNER_OF.items():
        prefix = key.removesuffix("*")
        is_prefix = prefix != key
        if prefix.startswith(beginning) or (is_prefix and beginning.startswith(prefix)):
            yield key, owner
