"""Samples: one kind, objects of it, targets made of them, and answers about them."""

from collections.abc import Mapping

from fleetpatch.model.answer import Answer
from fleetpatch.model.change import MetadataChange
from fleetpatch.model.fields import Fields
from fleetpatch.model.resource import Resource
from fleetpatch.model.target import Seen, Target, TargetId
from fleetpatch.rules.patching.merge_rules import merge_rules

JOBS = Resource("batch", "v1", "jobs", "Job", "job")
JOB_RULES = merge_rules(JOBS, "1.20")


def seen_job(
    labels: Mapping[str, str] | None = None,
    *,
    name: str = "etl-1",
    uid: str = "uid-1",
    version: str = "10",
    annotations: Mapping[str, str] | None = None,
) -> Seen:
    """Return a job as a server shows it."""
    return Seen("team-a", name, uid, version, labels or {}, annotations or {})


def target_of(
    change: MetadataChange, seen: Seen, *, number: int = 1, cluster: str = "prod-a"
) -> Target:
    """Return the target that a survey makes of `seen`."""
    before = {path: seen.value(path) for path in change.touched_of(seen.document())}
    return target_with(seen, before, number=number, cluster=cluster)


def target_with(
    seen: Seen,
    before: Fields,
    wanted: Fields | None = None,
    *,
    number: int = 1,
    cluster: str = "prod-a",
) -> Target:
    """Return a target of this object with the values before the change and, if given, after it."""
    return Target(
        TargetId(number),
        cluster,
        JOBS,
        seen.namespace,
        seen.name,
        seen.uid,
        seen.resource_version,
        before,
        frozenset({0}),
        wanted,
    )


def ok(seen: Seen) -> Answer:
    """Return a 200 that shows the object."""
    return Answer(200, seen)


def failure(
    status: int,
    reason: str = "",
    message: str = "",
    *,
    causes: tuple[str, ...] = (),
    about: str = "jobs",
    retry_after: str | None = None,
) -> Answer:
    """Return an answer with a Status of the API server."""
    return Answer(
        status,
        reason=reason,
        message=message,
        causes=causes,
        about=about,
        is_status=True,
        retry_after=retry_after,
    )
