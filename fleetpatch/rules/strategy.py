"""How the lists of Kubernetes' own kinds merge: `TYPES`, and what it does not know.

A strategic merge patch and a server-side apply merge a list by the schema of its field: as a whole
(`ATOMIC`), as a set of scalars (`SET`), or entry by entry (`Keyed`). The table is that of all
objects with a pod template in them (Job, CronJob, Deployment, PodTemplate and so on). Its source
are the tags `patchStrategy`, `patchMergeKey`, `listType` and `listMapKey` of the Kubernetes API
types, which a server publishes at `/openapi/v2` as `x-kubernetes-patch-merge-key`,
`x-kubernetes-list-map-keys` and so on. tests/differential compares the table with that of a real
server, field by field.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final, TypeAlias

from fleetpatch.model.fields import Json, Path


class ListType(Enum):
    """How a list without keys merges."""

    ATOMIC = "atomic"
    """Not at all: the new list takes the place of the old one."""
    SET = "set"
    """The two are united."""


@dataclass(frozen=True, slots=True)
class Keyed:
    """Entries with the same `key` are one, and merge; `entry` is their type.

    Server-side apply, which is younger, tells some entries apart by more (`together`).
    """

    key: str
    entry: str = ""
    together: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """By what server-side apply knows an entry."""
        return self.together or (self.key,)


Rule: TypeAlias = ListType | Keyed | str
"""How a field merges; a string names the type of a map."""

ATOMIC: Final = ListType.ATOMIC
SET: Final = ListType.SET

ROOT: Final = "Object"
"""The type of a whole object."""

WHOLE: Final = frozenset({"LabelSelector"})
"""Types of maps that server-side apply does not merge (`x-kubernetes-map-type: atomic`)."""

_EXEC: Final[Mapping[str, Rule]] = {"exec": "ExecAction", "httpGet": "HTTPGetAction"}
_ANY_CONTAINER: Final[Mapping[str, Rule]] = {
    "args": ATOMIC,
    "command": ATOMIC,
    "env": Keyed("name"),
    "envFrom": ATOMIC,
    "lifecycle": "Lifecycle",
    "livenessProbe": "Handler",
    "readinessProbe": "Handler",
    "securityContext": "SecurityContext",
    "startupProbe": "Handler",
    "volumeDevices": Keyed("devicePath"),
    "volumeMounts": Keyed("mountPath"),
}
_PORTS: Final = Keyed("containerPort", together=("containerPort", "protocol"))
_SPREAD: Final = Keyed(
    "topologyKey", "TopologySpreadConstraint", together=("topologyKey", "whenUnsatisfiable")
)
_PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"
_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"

TYPES: Final[Mapping[str, Mapping[str, Rule]]] = MappingProxyType(
    {
        ROOT: {
            "metadata": "ObjectMeta",
            "spec": "WorkloadSpec",
            "status": "WorkloadStatus",
            "template": "PodTemplateSpec",
        },
        "ObjectMeta": {
            "annotations": "StringMap",
            "finalizers": SET,
            "labels": "StringMap",
            "managedFields": ATOMIC,
            "ownerReferences": Keyed("uid"),
        },
        "WorkloadSpec": {
            "jobTemplate": "JobTemplateSpec",
            "selector": "LabelSelector",
            "template": "PodTemplateSpec",
        },
        "WorkloadStatus": {"active": ATOMIC, "conditions": Keyed("type")},
        "JobTemplateSpec": {"metadata": "ObjectMeta", "spec": "WorkloadSpec"},
        "PodTemplateSpec": {"metadata": "ObjectMeta", "spec": "PodSpec"},
        "LabelSelector": {"matchExpressions": ATOMIC},
        "PodSpec": {
            "affinity": "Affinity",
            "containers": Keyed("name", "Container"),
            "dnsConfig": "PodDNSConfig",
            "ephemeralContainers": Keyed("name", "EphemeralContainer"),
            "hostAliases": Keyed("ip", "HostAlias"),
            "imagePullSecrets": Keyed("name"),
            "initContainers": Keyed("name", "Container"),
            "readinessGates": ATOMIC,
            "securityContext": "PodSecurityContext",
            "tolerations": ATOMIC,
            "topologySpreadConstraints": _SPREAD,
            "volumes": Keyed("name", "Volume"),
        },
        "Container": {**_ANY_CONTAINER, "ports": _PORTS},
        "EphemeralContainer": {**_ANY_CONTAINER, "ports": ATOMIC},
        "Handler": _EXEC,
        "Lifecycle": {"postStart": "Handler", "preStop": "Handler"},
        "ExecAction": {"command": ATOMIC},
        "HTTPGetAction": {"httpHeaders": ATOMIC},
        "SecurityContext": {"capabilities": "Capabilities"},
        "Capabilities": {"add": ATOMIC, "drop": ATOMIC},
        "PodSecurityContext": {"supplementalGroups": ATOMIC, "sysctls": ATOMIC},
        "PodDNSConfig": {"nameservers": ATOMIC, "options": ATOMIC, "searches": ATOMIC},
        "HostAlias": {"hostnames": ATOMIC},
        "TopologySpreadConstraint": {"labelSelector": "LabelSelector"},
        "Affinity": {
            "nodeAffinity": "NodeAffinity",
            "podAffinity": "PodAffinity",
            "podAntiAffinity": "PodAffinity",
        },
        "NodeAffinity": {_PREFERRED: ATOMIC, _REQUIRED: "NodeSelector"},
        "NodeSelector": {"nodeSelectorTerms": ATOMIC},
        "PodAffinity": {_PREFERRED: ATOMIC, _REQUIRED: ATOMIC},
        "Volume": {
            "cephfs": "MonitoredVolume",
            "configMap": "ItemsVolume",
            "downwardAPI": "ItemsVolume",
            "ephemeral": "EphemeralVolumeSource",
            "fc": "FCVolumeSource",
            "iscsi": "ISCSIVolumeSource",
            "projected": "ProjectedVolumeSource",
            "rbd": "MonitoredVolume",
            "secret": "ItemsVolume",
        },
        "ItemsVolume": {"items": ATOMIC},
        "MonitoredVolume": {"monitors": ATOMIC},
        "FCVolumeSource": {"targetWWNs": ATOMIC, "wwids": ATOMIC},
        "ISCSIVolumeSource": {"portals": ATOMIC},
        "ProjectedVolumeSource": {"sources": ATOMIC},
        "EphemeralVolumeSource": {"volumeClaimTemplate": "VolumeClaimTemplate"},
        "VolumeClaimTemplate": {"metadata": "ObjectMeta", "spec": "VolumeClaimSpec"},
        "VolumeClaimSpec": {"accessModes": ATOMIC, "selector": "LabelSelector"},
    }
)


def rule_of(kind: str, field: str) -> Rule | None:
    """How `field` of a map of the type `kind` merges; None where the table does not know it."""
    return TYPES.get(kind, {}).get(field)


def undecided(body: Json, *, custom: bool = False) -> list[Path]:
    """The fields in a strategic or apply body of which only the server knows how they merge.

    For the own kinds these are the lists that are not in the table. For a `custom` one they are all
    lists and maps within the fields of its `spec` and `status`: the schema in its definition
    decides, and by one that leaves them open, as those of the job systems often do, an apply
    replaces `spec.tasks` and even `spec.tfReplicaSpecs` as a whole. An entry of a list is named by
    its position.
    """
    if not custom:
        return list(_unknown_lists(body, ROOT, ()))
    parts = ((name, part) for name, part in body.items() if isinstance(part, Mapping))
    return [
        *_unknown_lists(body.get("metadata"), "ObjectMeta", ("metadata",)),
        *(
            (name, field)
            for name, part in parts
            if name != "metadata"
            for field, value in part.items()
            if isinstance(value, Mapping | list)
        ),
    ]


def _unknown_lists(value: Json, rule: Rule | None, path: Path) -> Iterator[Path]:
    match value, rule:
        case dict(), str() | None:
            for field, inner in value.items():
                yield from _unknown_lists(inner, rule_of(rule or "", field), (*path, field))
        case list(), Keyed(entry=entry):
            for position, inner in enumerate(value):
                yield from _unknown_lists(inner, entry, (*path, str(position)))
        case list(), None:
            yield path
        case _:
            pass
