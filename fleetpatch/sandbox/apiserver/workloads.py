"""PodTemplates, Deployments and CronJobs: decoding, defaults and validation, as in kube-apiserver.

They are supported as far as patches need it: their defaults, their pod template, and that it fits
the selector of a Deployment.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import Json
from fleetpatch.model.resource import Resource
from fleetpatch.sandbox.apiserver import discovery, metadata, pod_templates
from fleetpatch.sandbox.apiserver.pod_templates import REQUIRED, known_fields
from fleetpatch.sandbox.apiserver.release import Release
from fleetpatch.sandbox.apiserver.statuses import Cause

KINDS: Final = (
    discovery.POD_TEMPLATES,
    discovery.DEPLOYMENTS,
    discovery.CRON_JOBS,
    discovery.OLD_CRON_JOBS,
)
"""The kinds of this module."""

_DEPLOYMENT: Final = MappingProxyType(
    {
        "minReadySeconds": int,
        "paused": bool,
        "progressDeadlineSeconds": int,
        "replicas": int,
        "revisionHistoryLimit": int,
        "selector": dict,
        "strategy": dict,
        "template": dict,
    }
)
_CRON_JOB: Final = MappingProxyType(
    {
        "concurrencyPolicy": str,
        "failedJobsHistoryLimit": int,
        "jobTemplate": dict,
        "schedule": str,
        "startingDeadlineSeconds": int,
        "successfulJobsHistoryLimit": int,
        "suspend": bool,
    }
)
_DEPLOYMENT_DEFAULTS: Final = MappingProxyType(
    {"progressDeadlineSeconds": 600, "replicas": 1, "revisionHistoryLimit": 10}
)
_CRON_JOB_DEFAULTS: Final = MappingProxyType(
    {
        "concurrencyPolicy": "Allow",
        "failedJobsHistoryLimit": 1,
        "successfulJobsHistoryLimit": 3,
        "suspend": False,
    }
)
_ROLLING_UPDATE: Final = "RollingUpdate"
_SURGE: Final = MappingProxyType({"maxSurge": "25%", "maxUnavailable": "25%"})
_ANY_RESTART: Final = ("Always", "OnFailure", "Never")


def decoded(release: Release, resource: Resource, content: Json) -> dict[str, Any]:
    """Decode the `spec` of one of KINDS, or the `template` of a PodTemplate, and set its defaults.

    Raises ValueError if a field has a wrong type.
    """
    if resource == discovery.POD_TEMPLATES:
        return pod_templates.decoded(release, content)
    if resource == discovery.DEPLOYMENTS:
        return _decoded_deployment(release, content)
    return _decoded_cron_job(release, content)


def empty(release: Release, resource: Resource) -> dict[str, Any]:
    """The fields that an object has even if nothing is set (Go: without `omitempty`)."""
    template = {"metadata": release.zero_time, "spec": {"containers": None}}
    if resource == discovery.POD_TEMPLATES:
        return {"metadata": {}, "template": template}
    if resource == discovery.DEPLOYMENTS:
        spec: dict[str, Any] = {"selector": None, "strategy": {}, "template": template}
    else:
        job = {"metadata": release.zero_time, "spec": {"template": template}}
        spec = {"jobTemplate": job}
    return {"metadata": {}, "spec": spec, "status": {}}


def problems(
    release: Release, resource: Resource, content: Mapping[str, Any], old: Mapping[str, Any] | None
) -> Iterator[Cause]:
    """Yield what is not valid in decoded content, or in its change from `old`."""
    if resource == discovery.POD_TEMPLATES:
        yield from pod_templates.problems(release, content, "template", _ANY_RESTART)
    elif resource == discovery.DEPLOYMENTS:
        yield from _deployment_problems(release, content, old)
    else:
        if not content.get("schedule"):
            yield Cause("spec.schedule", "Required value", REQUIRED)
        path = "spec.jobTemplate.spec.template"
        template = content["jobTemplate"]["spec"]["template"]
        yield from pod_templates.problems(release, template, path, _ANY_RESTART[1:])


def _deployment_problems(
    release: Release, spec: Mapping[str, Any], old: Mapping[str, Any] | None
) -> Iterator[Cause]:
    selector, template = spec.get("selector"), spec["template"]
    if not selector:
        yield Cause("spec.selector", "Required value", REQUIRED)
    elif not pod_templates.selects(selector, pod_templates.labels_of(template)):
        why = "Invalid value: `selector` does not match template `labels`"
        yield Cause("spec.template.metadata.labels", why)
    if old is not None and not deep_equal(selector, old.get("selector")):
        yield Cause("spec.selector", f"Invalid value: {selector}: field is immutable")
    yield from pod_templates.problems(release, template, "spec.template", _ANY_RESTART[:1])


def _decoded_deployment(release: Release, spec: Json) -> dict[str, Any]:
    known = known_fields("v1.DeploymentSpec", spec, _DEPLOYMENT)
    strategy = {"type": _ROLLING_UPDATE, **known.get("strategy", {})}
    if strategy["type"] == _ROLLING_UPDATE:
        strategy["rollingUpdate"] = {**_SURGE, **(strategy.get("rollingUpdate") or {})}
    template = pod_templates.decoded(release, known.get("template"))
    return {**_DEPLOYMENT_DEFAULTS, **known, "strategy": strategy, "template": template}


def _decoded_cron_job(release: Release, spec: Json) -> dict[str, Any]:
    known = known_fields("v1.CronJobSpec", spec, _CRON_JOB)
    template = known.get("jobTemplate", {})
    job = known_fields("v1.JobSpec", template.get("spec"), release.jobs.spec_types)
    pod = pod_templates.decoded(release, job.get("template"))
    # The defaults of a Job are set when a Job is made of the template.
    made = {
        "metadata": {**release.zero_time, **metadata.decoded(template.get("metadata"))},
        "spec": {**job, "template": pod},
    }
    return {**_CRON_JOB_DEFAULTS, **known, "jobTemplate": made}
