"""The capability tables: which kinds each provider has, and what a PATCH of them may contain.

Each table is a literal, to be compared with its source. `fleetpatch kinds` prints them.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from msgspec.structs import replace

from fleetpatch.model.change import PatchType
from fleetpatch.model.providers.capability import Capability, Provider, ProviderName, QueryParameter
from fleetpatch.model.providers.kinds import (
    BATCH_JOB,
    CRON_JOB,
    CUSTOM_KINDS,
    IMMUTABLE,
    MX_JOB,
    PYTORCH_JOB,
    TF_JOB,
    VOLCANO_JOB,
)
from fleetpatch.model.resource import Resource, resources_named

_BUILT_IN_TYPES: Final = (
    PatchType.MERGE,
    PatchType.JSON,
    PatchType.STRATEGIC,
    PatchType.APPLY,
)
# kube-apiserver answers 415 to a strategic merge of a custom resource.
_CUSTOM_TYPES: Final = (PatchType.MERGE, PatchType.JSON, PatchType.APPLY)
_ALL_QUERIES: Final = tuple(QueryParameter)
_VERSION: Final = re.compile(r"v[0-9]+((alpha|beta)[0-9]+)?")
_KUBERNETES_API: Final = "Kubernetes API reference, PATCH of {}"

_LABELS: Final = ("metadata", "labels")
_ANNOTATIONS: Final = ("metadata", "annotations")
_TRAINING: Final = (
    _LABELS,
    _ANNOTATIONS,
    ("spec", "activeDeadlineSeconds"),
    ("spec", "ttlSecondsAfterFinished"),
    ("spec", "cleanPodPolicy"),
)

KUBERNETES: Final = Provider(
    name=ProviderName.KUBERNETES,
    title="Kubernetes",
    kinds=(
        *(
            Capability(
                resource,
                _BUILT_IN_TYPES,
                _ALL_QUERIES,
                _KUBERNETES_API.format("a built-in"),
                immutable=IMMUTABLE.get(resource),
            )
            for resource in (BATCH_JOB, CRON_JOB)
        ),
        *(
            Capability(
                resource,
                _CUSTOM_TYPES,
                _ALL_QUERIES,
                _KUBERNETES_API.format("a custom resource"),
                immutable=IMMUTABLE.get(resource),
            )
            for resource in CUSTOM_KINDS
        ),
    ),
    has_kubeconfig=True,
    is_closed=False,
    not_retried=MappingProxyType({}),
)

CCI: Final = Provider(
    name=ProviderName.CCI,
    title="Huawei Cloud Container Instance",
    kinds=(
        Capability(
            BATCH_JOB,
            patch_types=(PatchType.MERGE, PatchType.STRATEGIC),
            query=(QueryParameter.PRETTY,),
            updatable=(
                _LABELS,
                ("spec", "parallelism"),
                ("spec", "completions"),
                ("spec", "selector"),
            ),
            source="CCI API reference, Updating a Specified Job",
        ),
        Capability(
            VOLCANO_JOB,
            patch_types=(PatchType.MERGE, PatchType.JSON, PatchType.STRATEGIC),
            query=(QueryParameter.DRY_RUN, QueryParameter.FIELD_MANAGER, QueryParameter.PRETTY),
            updatable=(
                _LABELS,
                ("metadata", "generateName"),
                _ANNOTATIONS,
                ("spec", "template"),
                ("spec", "replicas"),
            ),
            source="CCI API reference, patchBatchVolcanoShV1alpha1NamespacedJob",
        ),
        *(
            Capability(
                resource,
                patch_types=(PatchType.MERGE,),
                query=(QueryParameter.PRETTY,),
                updatable=_TRAINING,
                source=f"CCI API reference, Updating {resource.kind}",
            )
            for resource in (TF_JOB, MX_JOB, PYTORCH_JOB)
        ),
    ),
    has_kubeconfig=False,
    is_closed=True,
    # Not followed by default: a PATCH that is guarded by the version can be sent again, and a
    # gateway answers 503 while it restarts.
    not_retried=MappingProxyType({503: "the reference says not to retry it"}),
)

PROVIDERS: Final[Mapping[ProviderName, Provider]] = MappingProxyType(
    {provider.name: provider for provider in (KUBERNETES, CCI)}
)

_BUILT_IN_GROUPS: Final = frozenset(
    {
        "",
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "apps",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "autoscaling",
        "batch",
        "certificates.k8s.io",
        "coordination.k8s.io",
        "discovery.k8s.io",
        "events.k8s.io",
        "extensions",
        "flowcontrol.apiserver.k8s.io",
        "internal.apiserver.k8s.io",
        "networking.k8s.io",
        "node.k8s.io",
        "policy",
        "rbac.authorization.k8s.io",
        "resource.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
        "storagemigration.k8s.io",
    }
)
"""The groups that kube-apiserver serves itself; only their kinds accept strategic merges.

They are listed, because a suffix does not decide: custom resources use `k8s.io`, too
(`snapshot.storage.k8s.io`, `gateway.networking.k8s.io`).
"""


def is_built_in(resource: Resource) -> bool:
    """Report whether kube-apiserver serves the kind itself, and knows how its lists merge."""
    return resource.group in _BUILT_IN_GROUPS


def capability(name: ProviderName, resource: Resource) -> Capability | None:
    """Return what a PATCH of `resource` may contain; None if the provider has no such kind.

    A Kubernetes cluster serves any kind that is installed. Those that are not in the table are
    built-in kinds or custom resources, by their group.
    """
    provider = PROVIDERS[name]
    known = provider.capability(resource)
    if known is not None or provider.is_closed:
        return known
    built_in = is_built_in(resource)
    return Capability(
        resource,
        _BUILT_IN_TYPES if built_in else _CUSTOM_TYPES,
        _ALL_QUERIES,
        _KUBERNETES_API.format("a built-in" if built_in else "a custom resource"),
    )


def known_resource(name: str, provider: ProviderName) -> Resource | None:
    """Return the resource that `name` means, as far as that is known without asking a cluster.

    Version and kind are empty where they do not follow from the name. None means that only the
    cluster can say. For a closed provider the resource may be one that it does not have.
    """
    served = PROVIDERS[provider]
    found = resources_named(name, [known.resource for known in served.kinds])
    # Several known kinds have this name (`job`), so only discovery can say which one is meant.
    if len(found) > 1:
        return None
    head, dot, rest = name.lower().partition(".")
    version, _, group = rest.partition(".")
    is_versioned = bool(_VERSION.fullmatch(version))
    if found:
        # Another cluster may serve a known kind in another version.
        is_exact = served.is_closed or is_versioned
        return found[0] if is_exact else replace(found[0], version="")
    if not dot and not served.is_closed:
        # A name without its group may be any kind that is installed.
        return None
    return Resource(group, version, head, "") if is_versioned else Resource(rest, "", head, "")
