"""The pod template of a workload: decoding, defaults and validation, as in kube-apiserver.

Supported as far as patches of jobs and of other workloads need it: the names of the fields of a
PodSpec, the defaults of containers, probes and volumes, and what is required of them. The names of
the fields of containers and volumes are not checked.
"""

from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from fleetpatch.model.fields import Json
from fleetpatch.rules.patching.merge_rules import stored
from fleetpatch.rules.patching.merge_schema import Rule, types_of
from fleetpatch.sandbox.apiserver import metadata as object_meta
from fleetpatch.sandbox.apiserver.release import Release
from fleetpatch.sandbox.apiserver.statuses import Cause

REQUIRED: Final = "FieldValueRequired"

_TYPE: Final = "api.core.v1.PodTemplateSpec"
_POD_DEFAULTS: Final = MappingProxyType(
    {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
        "schedulerName": "default-scheduler",
    }
)
_CONTAINER_DEFAULTS: Final = MappingProxyType(
    {
        "resources": {},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    }
)
_PROBE_DEFAULTS: Final = MappingProxyType(
    {"failureThreshold": 3, "periodSeconds": 10, "successThreshold": 1, "timeoutSeconds": 1}
)
_CONTAINERS: Final = ("containers", "initContainers")
_PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
_FILES: Final = ("configMap", "downwardAPI", "projected", "secret")
"""The sources of a volume whose files have a mode."""
_SOURCES: Final = (
    "emptyDir",
    "hostPath",
    "secret",
    "nfs",
    "persistentVolumeClaim",
    "downwardAPI",
    "configMap",
    "projected",
    "csi",
    "ephemeral",
)
"""The sources of a volume, in the order in which a server looks at them; it may have one."""
_MODE: Final = 0o644


def check_type(field: str, value: Json, wanted: type) -> None:
    """Raise ValueError if a value has another type."""
    # A bool is an int in Python.
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        raise ValueError(f"{field}: cannot read {type(value).__name__} as {wanted.__name__}")


def known_fields(name: str, struct: Json, types: Mapping[str, type]) -> dict[str, Any]:
    """Return the fields that a struct of the type `name` has, without nulls.

    Raises ValueError if it is not a struct, or a field has a wrong type.
    """
    check_type(name, {} if struct is None else struct, dict)
    known = {
        field: value
        for field, value in (struct or {}).items()
        if field in types and value is not None
    }
    for field, value in known.items():
        check_type(f"{name}.{field}", value, types[field])
    return known


def check_labels(field: str, labels: Json) -> None:
    """Raise ValueError for what is not a map of texts."""
    check_type(field, {} if labels is None else labels, dict)
    for value in (labels or {}).values():
        check_type(field, "" if value is None else value, str)


def decoded(release: Release, template: Json) -> dict[str, Any]:
    """Decode a PodTemplateSpec: drop unknown fields, nulls and empty lists, and set defaults.

    Raises ValueError if a field has a wrong type.
    """
    check_type("v1.PodTemplateSpec", {} if template is None else template, dict)
    metadata, pod = (
        {} if (template or {}).get(part) is None else template[part]
        for part in ("metadata", "spec")
    )
    check_type("v1.ObjectMeta", metadata, dict)
    check_labels("v1.ObjectMeta.Labels", metadata.get("labels"))
    check_type("v1.PodSpec", pod, dict)
    known = {
        field: value
        for field, value in pod.items()
        if field in release.jobs.pod_fields and value is not None
    }
    for field in (*_CONTAINERS, "volumes"):
        check_type(f"v1.PodSpec.{field}", known.get(field, []), list)
        for entry in known.get(field, ()):
            check_type(f"v1.PodSpec.{field}", entry, dict)
        if field in known:
            complete = _with_volume_defaults if field == "volumes" else _decoded_container
            known[field] = [complete(entry) for entry in known[field]]
    decoded = stored({"spec": known}, _rule(release))
    return {
        "metadata": {**release.zero_time, **object_meta.decoded(metadata)},
        "spec": {**_POD_DEFAULTS, **decoded["spec"]},
    }


def unknown_fields(release: Release, template: Mapping[str, Any]) -> Iterator[str]:
    """The fields of the spec of a template that a pod does not have."""
    pod = template.get("spec") or {}
    yield from (name for name in pod if name not in release.jobs.pod_fields)


def labels_of(template: Mapping[str, Any]) -> Mapping[str, str]:
    """The labels of a decoded template."""
    return (template.get("metadata") or {}).get("labels") or {}


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether `matchLabels` match; expressions are ignored, because workloads hardly use them."""
    wanted = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in wanted.items())


def problems(
    release: Release, template: Mapping[str, Any], path: str, restarts: Collection[str]
) -> Iterator[Cause]:
    """Yield what is not valid in the template at `path`; `restarts` are its restart policies."""
    yield from object_meta.map_problems(template["metadata"], path)
    pod = template["spec"]
    yield from _volume_problems(pod.get("volumes") or (), f"{path}.spec.volumes")
    # A volume that is not valid is not there for a container, either.
    volumes = {
        volume.get("name") for volume in pod.get("volumes") or () if len(_sources(volume)) == 1
    }
    if not pod.get("containers"):
        yield Cause(f"{path}.spec.containers", "Required value", REQUIRED)
    for field in _CONTAINERS:
        for index, container in enumerate(pod.get(field) or ()):
            yield from _container_problems(container, f"{path}.spec.{field}[{index}]", volumes)
    for index, container in enumerate(pod.get("initContainers") or ()):
        # A container that is restarted runs beside the others, and may be probed.
        if container.get("restartPolicy") != "Always":
            for probe in _PROBES:
                if probe in container:
                    where = f"{path}.spec.initContainers[{index}].{probe}"
                    why = "may not be set for init containers without restartPolicy=Always"
                    yield Cause(where, why, release.jobs.probed_init_container)
    if pod.get("restartPolicy") not in restarts:
        valid = ", ".join(f'"{policy}"' for policy in restarts)
        why = f"Required value: valid values: {valid}"
        yield Cause(f"{path}.spec.restartPolicy", why, REQUIRED)


def _sources(volume: Mapping[str, Any]) -> list[str]:
    return [source for source in _SOURCES if source in volume]


def _volume_problems(volumes: Collection[Mapping[str, Any]], path: str) -> Iterator[Cause]:
    for index, volume in enumerate(volumes):
        for source in _sources(volume)[1:]:
            why = "may not specify more than 1 volume type"
            yield Cause(f"{path}[{index}].{source}", why, "FieldValueForbidden")


def _container_problems(
    container: Mapping[str, Any], path: str, volumes: Collection[str | None]
) -> Iterator[Cause]:
    for field in ("name", "image"):
        if not container.get(field):
            yield Cause(f"{path}.{field}", "Required value", REQUIRED)
    for index, variable in enumerate(container.get("env") or ()):
        if not variable.get("name"):
            yield Cause(f"{path}.env[{index}].name", "Required value", REQUIRED)
    resources = container.get("resources") or {}
    requests, limits = (resources.get(part) or {} for part in ("requests", "limits"))
    # Quantities are not parsed: only a limit of zero is compared, as a null leaves behind.
    if any(limits.get(name) == "0" and amount != "0" for name, amount in requests.items()):
        why = "Invalid value: must be less than or equal to the limit"
        yield Cause(f"{path}.resources.requests", why)
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        name = mount.get("name")
        if name not in volumes:
            where = f"{path}.volumeMounts[{index}].name"
            yield Cause(where, f'Not found: "{name}"', "FieldValueNotFound")


def _decoded_container(container: dict[str, Any]) -> dict[str, Any]:
    # The default pull policy depends on the tag. A registry may have a port, so a `:` counts only
    # after the last slash.
    tag = str(container.get("image", "")).rpartition("/")[2].partition(":")[2]
    known = {field: value for field, value in container.items() if value is not None}
    for probe in _PROBES:
        if isinstance(known.get(probe), dict):
            known[probe] = {**_PROBE_DEFAULTS, **known[probe]}
    if isinstance(known.get("resources"), dict):
        known["resources"] = {
            field: _quantities(value) for field, value in known["resources"].items()
        }
    if known.get("ports"):
        check_type("v1.Container.Ports", known["ports"], list)
        for port in known["ports"]:
            check_type("v1.ContainerPort", port, dict)
        known["ports"] = [{"protocol": "TCP", **port} for port in known["ports"]]
    policy = "IfNotPresent" if tag not in ("", "latest") else "Always"
    return {**_CONTAINER_DEFAULTS, "imagePullPolicy": policy, **known}


def _quantities(amounts: Json) -> Json:
    """Limits or requests; Go reads null as a quantity of zero."""
    if not isinstance(amounts, dict):
        return amounts
    return {name: "0" if amount is None else amount for name, amount in amounts.items()}


def _with_volume_defaults(volume: dict[str, Any]) -> dict[str, Any]:
    known = {field: value for field, value in volume.items() if value is not None}
    for source in _FILES:
        if isinstance(known.get(source), dict):
            known[source] = {"defaultMode": _MODE, **known[source]}
    return known if known.keys() - {"name"} else {**known, "emptyDir": {}}


@lru_cache
def _rule(release: Release) -> Rule:
    return types_of(release.version, by_apply=False)[_TYPE]
