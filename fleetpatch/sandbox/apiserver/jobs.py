"""batch/v1 Job: defaults, decoding and validation, as in kube-apiserver.

A started job's template is immutable. Custom kinds have none of this.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import Json
from fleetpatch.sandbox.apiserver import pod_templates
from fleetpatch.sandbox.apiserver.pod_templates import (
    REQUIRED,
    check_labels,
    known_fields,
    selects,
)
from fleetpatch.sandbox.apiserver.release import Release
from fleetpatch.sandbox.apiserver.statuses import Cause

_COUNTS: Final = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
)
_SIZES: Final = {"activeDeadlineSeconds": 64}
"""The bits of the counts that are not int32."""
_RESTARTS: Final = ("OnFailure", "Never")
_TEMPLATE: Final = "spec.template"
_TEMPLATE_LABELS: Final = "spec.template.metadata.labels"
_SUSPENDED: Final = (
    ("metadata", "annotations"),
    ("metadata", "labels"),
    ("spec", "affinity"),
    ("spec", "nodeSelector"),
    ("spec", "schedulingGates"),
    ("spec", "tolerations"),
)
"""The fields of the template of a suspended job that can change until it has started."""


def decoded(release: Release, spec: Json) -> dict[str, Any]:
    """Decode a JobSpec: drop unknown fields and nulls, and set defaults.

    Raises ValueError if a field has a wrong type.
    """
    if not isinstance(spec, dict | None):
        raise ValueError("v1.Job.Spec: readObjectStart: expect { or n")  # noqa: TRY004 -- documented
    known = known_fields("v1.JobSpec", spec, release.jobs.spec_types)
    for field in _COUNTS:
        _check_size(f"v1.JobSpec.{field}", known.get(field, 0), _SIZES.get(field, 32))
    check_labels("v1.LabelSelector.MatchLabels", known.get("selector", {}).get("matchLabels"))
    template = pod_templates.decoded(release, known.get("template"))
    # Without both counts a job runs one pod (SetDefaults_Job); with parallelism alone it is a work
    # queue, which has no completions.
    if "parallelism" not in known and "completions" not in known:
        known["completions"] = 1
    return {**release.jobs.defaults, **known, "template": template}


def unknown_fields(release: Release, spec: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """The fields of a spec, and of its pod template's spec, that a Job does not have.

    The spec must be one that can be decoded.
    """
    yield from (("spec", name) for name in spec if name not in release.jobs.spec_types)
    template = spec.get("template") or {}
    unknown = pod_templates.unknown_fields(release, template)
    yield from (("spec", "template", "spec", name) for name in unknown)


def with_selector(release: Release, spec: Mapping[str, Any], name: str, uid: str) -> dict[str, Any]:
    """The spec of a new job, with the generated selector unless `manualSelector` is set."""
    if spec.get("manualSelector"):
        return dict(spec)
    template = spec["template"]
    metadata = {**release.zero_time, **template.get("metadata", {})}
    labels = {**pod_labels(release, name, uid), **(metadata.get("labels") or {})}
    given = spec.get("selector", {}).get("matchLabels") or {}
    selected = {release.jobs.selected: uid, **given}
    return {
        **spec,
        "selector": {**spec.get("selector", {}), "matchLabels": selected},
        "template": {**template, "metadata": {**metadata, "labels": labels}},
    }


def with_new_selector(
    release: Release, spec: Mapping[str, Any], name: str, uid: str
) -> dict[str, Any]:
    """The spec of a recreated job: the old selector is replaced by one for the new uid."""
    template = spec["template"]
    # The generated labels name the old uid, so they are made again.
    generated = pod_labels(release, name, uid)
    labels = {k: v for k, v in _template_labels(spec).items() if k not in generated}
    metadata = {**template.get("metadata", {}), "labels": labels}
    bare = {**spec, "template": {**template, "metadata": metadata}}
    bare.pop("selector", None)
    return with_selector(release, bare, name, uid)


def labels_by_default(metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    """Defaults of a job's metadata: without labels of its own it has those of its pod template."""
    labels = _template_labels(spec)
    return {"labels": dict(labels)} if labels and not metadata.get("labels") else {}


def problems(release: Release, spec: Mapping[str, Any], name: str, uid: str) -> Iterator[Cause]:
    """Yield what is not valid in the spec of the job `name`."""
    for field in _COUNTS:
        if spec.get(field, 0) < 0:
            why = f"Invalid value: {spec[field]}: must be greater than or equal to 0"
            yield Cause(f"spec.{field}", why)
    yield from pod_templates.problems(release, spec["template"], _TEMPLATE, _RESTARTS)
    labels = _template_labels(spec)
    selector = spec.get("selector")
    # A generated selector must select exactly the pods of this job.
    if selector and not spec.get("manualSelector"):
        own = pod_labels(release, name, uid)
        yield from _generated_problems(labels, selector, own)
    if not selector:
        yield Cause("spec.selector", "Required value", REQUIRED)
    if not selector or not selects(selector, labels):
        why = f"Invalid value: {labels}: `selector` does not match template `labels`"
        yield Cause(_TEMPLATE_LABELS, why)


def change_problems(
    release: Release, new: Mapping[str, Any], old: Mapping[str, Any], *, started: bool
) -> Iterator[Cause]:
    """Yield changes of immutable fields of a job's spec; `started` is whether it has run pods."""
    for field in release.jobs.immutable:
        before, after = old.get(field), new.get(field)
        if field == "template" and old.get("suspend") and not started:
            before, after = _without_scheduling(before), _without_scheduling(after)
        if not deep_equal(after, before):
            # The real server prints the value in Go's syntax; only null is imitated.
            shown = "null" if new.get(field) is None else new[field]
            yield Cause(f"spec.{field}", f"Invalid value: {shown}: field is immutable")


def _without_scheduling(template: Json) -> Json:
    """A template without the fields that can change while its job is suspended."""
    return {
        part: {name: value for name, value in fields.items() if (part, name) not in _SUSPENDED}
        for part, fields in template.items()
    }


def _check_size(field: str, value: int, bits: int) -> None:
    if not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
        raise ValueError(f"{field}: {value} overflows int{bits}")


def _generated_problems(
    labels: Mapping[str, str], selector: Mapping[str, Any], own: Mapping[str, str]
) -> Iterator[Cause]:
    for key, value in own.items():
        if labels.get(key) != value:
            yield Cause(f"{_TEMPLATE_LABELS}[{key}]", f"Invalid value: {labels}: must be '{value}'")
    if not selects(selector, own):
        yield Cause("spec.selector", f"Invalid value: {selector}: `selector` not auto-generated")


def pod_labels(release: Release, name: str, uid: str) -> dict[str, str]:
    """The labels that a server adds to the pods of a job."""
    rules = release.jobs
    return dict.fromkeys(rules.uid_labels, uid) | dict.fromkeys(rules.name_labels, name)


def _template_labels(spec: Mapping[str, Any]) -> Mapping[str, str]:
    return pod_templates.labels_of(spec["template"])
