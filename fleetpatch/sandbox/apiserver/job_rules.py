"""The fields and defaults of batch Jobs in each version of Kubernetes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

_GROUP: Final = "batch.kubernetes.io/"
_SPEC_TYPES: Final[Mapping[str, type]] = MappingProxyType(
    {
        "parallelism": int,
        "completions": int,
        "activeDeadlineSeconds": int,
        "backoffLimit": int,
        "ttlSecondsAfterFinished": int,
        "manualSelector": bool,
        "selector": dict,
        "template": dict,
    }
)
_POD_FIELDS: Final = frozenset(
    {
        "activeDeadlineSeconds",
        "affinity",
        "automountServiceAccountToken",
        "containers",
        "dnsConfig",
        "dnsPolicy",
        "enableServiceLinks",
        "ephemeralContainers",
        "hostAliases",
        "hostIPC",
        "hostNetwork",
        "hostPID",
        "hostname",
        "imagePullSecrets",
        "initContainers",
        "nodeName",
        "nodeSelector",
        "overhead",
        "preemptionPolicy",
        "priority",
        "priorityClassName",
        "readinessGates",
        "restartPolicy",
        "runtimeClassName",
        "schedulerName",
        "securityContext",
        "serviceAccount",
        "serviceAccountName",
        "setHostnameAsFQDN",
        "shareProcessNamespace",
        "subdomain",
        "terminationGracePeriodSeconds",
        "tolerations",
        "topologySpreadConstraints",
        "volumes",
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class JobRules:
    """How a server reads and completes batch Jobs.

    - `spec_types`: the fields of the spec, and their types.
    - `pod_fields`: the fields of the spec of its pods.
    - `defaults`: the defaults of the spec, except those that depend on other fields.
    - `immutable`: the fields of the spec that cannot be changed.
    - `uid_labels`, `name_labels`: the labels of its pods with its uid and its name.
    - `probed_init_container`: the reason of a cause for an init container with a probe.
    - `selected`: the label of `uid_labels` that a generated selector names.
    """

    spec_types: Mapping[str, type]
    pod_fields: frozenset[str]
    defaults: Mapping[str, Any]
    immutable: tuple[str, ...]
    uid_labels: tuple[str, ...]
    name_labels: tuple[str, ...]
    selected: str
    probed_init_container: str


JOBS_1_20: Final = JobRules(
    spec_types=_SPEC_TYPES,
    pod_fields=_POD_FIELDS,
    defaults=MappingProxyType({"parallelism": 1, "backoffLimit": 6}),
    immutable=("completions", "selector", "template"),
    uid_labels=("controller-uid",),
    name_labels=("job-name",),
    selected="controller-uid",
    probed_init_container="FieldValueInvalid",
)
JOBS_1_36: Final = replace(
    JOBS_1_20,
    spec_types=MappingProxyType(
        {
            **_SPEC_TYPES,
            "backoffLimitPerIndex": int,
            "completionMode": str,
            "managedBy": str,
            "maxFailedIndexes": int,
            "podFailurePolicy": dict,
            "podReplacementPolicy": str,
            "successPolicy": dict,
            "suspend": bool,
        }
    ),
    pod_fields=_POD_FIELDS
    | {
        "hostUsers",
        "hostnameOverride",
        "os",
        "resourceClaims",
        "resources",
        "schedulingGates",
        "schedulingGroup",
    },
    defaults=MappingProxyType(
        {
            **JOBS_1_20.defaults,
            "completionMode": "NonIndexed",
            "suspend": False,
            "manualSelector": False,
            "podReplacementPolicy": "TerminatingOrFailed",
        }
    ),
    immutable=(
        *JOBS_1_20.immutable,
        "completionMode",
        "podFailurePolicy",
        "backoffLimitPerIndex",
        "managedBy",
        "successPolicy",
    ),
    uid_labels=(f"{_GROUP}controller-uid", *JOBS_1_20.uid_labels),
    name_labels=(f"{_GROUP}job-name", *JOBS_1_20.name_labels),
    selected=f"{_GROUP}controller-uid",
    probed_init_container="FieldValueForbidden",
)
