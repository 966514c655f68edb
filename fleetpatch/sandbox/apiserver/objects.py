"""Decode, prepare and check an object of a kind, as the API server does.

*Decoding* keeps the fields of the kind and fails as a whole. *Preparing* restores the fields that
only the server may set. *Checking* compares with the stored object, in the real server's order:
kind, name, version, validity. Built-in kinds have their own rules (`jobs`, `workloads`, `pods` and
`lease` in `fleetpatch.sandbox.apiserver`). Other kinds keep any `spec`, and count its changes in
`metadata.generation`.
"""

from collections.abc import Iterator
from typing import Any, Final

from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import Json
from fleetpatch.model.resource import Resource
from fleetpatch.sandbox.apiserver import discovery, jobs, lease, metadata, pods, workloads
from fleetpatch.sandbox.apiserver.decoding import stored
from fleetpatch.sandbox.apiserver.release import Release
from fleetpatch.sandbox.apiserver.routes import Route
from fleetpatch.sandbox.apiserver.statuses import (
    Cause,
    bad_request,
    conflict,
    internal_error,
    invalid,
    undecodable,
)
from fleetpatch.sandbox.apiserver.store import StoredObject

_KEPT: Final = ("namespace", "creationTimestamp", "generation", "resourceVersion")
_UNCONDITIONAL: Final = (discovery.BATCH_JOBS, discovery.PODS, *workloads.KINDS)
"""The kinds whose strategy has `AllowUnconditionalUpdate`."""
_NAME_LABEL: Final = "kubernetes.io/metadata.name"
_NO_VERSION: Final = Cause(
    "metadata.resourceVersion", "Invalid value: 0x0: must be specified for an update"
)


def decoded_new(release: Release, resource: Resource, raw: Json) -> StoredObject:
    """Decode the body of a POST or PUT. Raises Refusal (400; 422 for a wrong kind)."""
    _check_kind(resource, raw)
    try:
        return _typed(release, resource, raw, None)
    except ValueError as error:
        raise bad_request(
            f'{resource.kind} in version "{resource.version}" cannot be handled as a'
            f" {resource.kind}: {error}"
        ) from error


def patched(
    release: Release, resource: Resource, raw: Json, current: StoredObject | None
) -> StoredObject:
    """Decode `raw`, the result of a patch of `current`; it must still be checked.

    Raises Refusal (422), and ValueError for fields of a wrong type.
    """
    if not isinstance(raw, dict):
        raise undecodable(raw, "couldn't get version/kind")
    _check_kind(resource, raw)
    document = _typed(release, resource, raw, current)
    return document if current is None else labelled(release, resource, document)


def applied(
    release: Release, resource: Resource, merged: Json, current: StoredObject | None
) -> StoredObject:
    """Decode the result of a server-side apply; it must still be checked.

    Raises Refusal (422, 500).
    """
    try:
        document = patched(release, resource, merged, current)
    except ValueError as error:
        raise internal_error(f"failed to convert new object to proper version: {error}") from error
    if discovery.is_custom(resource) and merged.get("spec", document) is None:
        # All fields in it lost their last owner. Other writes drop such a null; the validation of
        # an apply refuses it.
        document["spec"] = None
    return document


def labelled(release: Release, resource: Resource, document: StoredObject) -> StoredObject:
    """The object with its default labels.

    A batch Job without labels has those of its pods. A current server labels each namespace.
    """
    own, defaults = document["metadata"], {}
    if resource == discovery.BATCH_JOBS:
        defaults = jobs.labels_by_default(own, document["spec"])
    elif resource == discovery.NAMESPACES and release.labels_namespaces:
        defaults = {"labels": {**(own.get("labels") or {}), _NAME_LABEL: own.get("name", "")}}
    return {**document, "metadata": own | defaults} if defaults else document


def updated(
    release: Release, route: Route, document: StoredObject, current: StoredObject
) -> StoredObject:
    """Check and prepare `document` as the new state of `current`.

    Returns `current` itself if nothing changes, otherwise an object that still has the version of
    `current`. Raises Refusal (400, 409, 422), as the real server answers.
    """
    # The version is checked before the object is validated: a stale request gets a 409, even if it
    # is also invalid.
    check_name(route, document["metadata"])
    _check_version(route, document["metadata"], current["metadata"])
    document = _prepared(route.resource, document, current)
    if deep_equal(document, current):
        return current
    check(release, route.resource, document, current)
    return document


def check(
    release: Release, resource: Resource, document: StoredObject, current: StoredObject | None
) -> None:
    """Validate a new object, or a new state of `current`. Raises Refusal (422) with all causes."""
    own = document["metadata"]
    causes = [
        *(metadata.change_problems(own, current["metadata"]) if current else ()),
        *metadata.problems(own, custom=discovery.is_custom(resource)),
        *_spec_problems(release, resource, document, current),
    ]
    if causes:
        raise invalid(resource.group, resource.kind, own.get("name", ""), causes)


def _typed(
    release: Release, resource: Resource, raw: Json, current: StoredObject | None
) -> StoredObject:
    """Keep only the fields of the kind. Raises ValueError for wrong types."""
    document: StoredObject = {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": metadata.decoded(raw.get("metadata")),
    }
    field = discovery.content_field(resource)
    content, status = raw.get(field), raw.get("status")
    if current is None or content is not current.get(field):
        content = _decoded_content(release, resource, content)
    # Otherwise the patch did not touch it, so it is decoded already.
    if content is not None:
        document[field] = content
    if resource == discovery.NAMESPACES:
        document["status"] = {"phase": "Active"}
    elif status is not None and discovery.has_status(resource):
        document["status"] = stored(status)
    return document


def _decoded_content(release: Release, resource: Resource, content: Json) -> Json:
    if resource == discovery.BATCH_JOBS:
        return jobs.decoded(release, content)
    if resource in workloads.KINDS:
        return workloads.decoded(release, resource, content)
    return lease.decoded(content) if resource == discovery.LEASES else stored(content)


def _check_kind(resource: Resource, raw: Json) -> None:
    """Check that apiVersion and kind are those of the resource. Raises Refusal (422)."""
    api_version, kind = raw.get("apiVersion"), raw.get("kind")
    if (api_version, kind) == (resource.api_version, resource.kind):
        return
    if not discovery.is_custom(resource):
        if kind is None and api_version == resource.api_version:
            return
        raise undecodable(raw, "no such kind is registered")
    found = raw.get("metadata")
    name = str(found.get("name", "")) if isinstance(found, dict) else ""
    if not kind or not api_version:
        raise undecodable(raw, "Object 'Kind' is missing")
    if kind != resource.kind:
        cause = Cause("kind", f'Invalid value: "{kind}": must be {resource.kind}')
        raise invalid(resource.group, str(kind), name, [cause])
    cause = Cause("apiVersion", f'Invalid value: "{api_version}": must be {resource.api_version}')
    raise invalid("", resource.kind, name, [cause])


def check_name(route: Route, found: dict[str, Any]) -> None:
    """Check that name and namespace are those of the path. Raises Refusal (400)."""
    name, namespace = found.get("name"), found.get("namespace", route.namespace)
    if not name:
        raise bad_request(
            f"the name of the object ({route.name} based on URL) was undeterminable: name must be"
            " provided"
        )
    if name != route.name:
        raise bad_request(
            f"the name of the object ({name}) does not match the name on the URL ({route.name})"
        )
    if namespace != route.namespace:
        raise bad_request(
            f"the namespace of the object ({namespace}) does not match the namespace on the"
            f" request ({route.namespace})"
        )


def version_of(found: dict[str, Any]) -> int:
    """The resourceVersion of a request; 0 means any. Raises Refusal (500) if it is not a number."""
    version: str = found.get("resourceVersion", "0")
    if not version.isdecimal():
        raise internal_error(f'strconv.ParseUint: parsing "{version}": invalid syntax')
    return int(version)


def _check_version(route: Route, found: dict[str, Any], stored: dict[str, Any]) -> None:
    """Check the version of a request against the stored one; some kinds may leave it out."""
    resource, version = route.resource, version_of(found)
    if version == 0:
        if resource not in _UNCONDITIONAL:
            raise invalid(resource.group, resource.plural, route.name, [_NO_VERSION])
    elif version != int(stored["resourceVersion"]):
        raise conflict(resource, route.name)


def _prepared(resource: Resource, document: StoredObject, current: StoredObject) -> StoredObject:
    """Restore the fields that only the server may set, and count a change of the content."""
    stored = current["metadata"]
    kept = {field: stored[field] for field in _KEPT if field in stored}
    given = {field: value for field, value in document["metadata"].items() if field not in _KEPT}
    own = {"uid": stored["uid"], **metadata.with_owners_once(given), **kept}
    # The status can only be written through its subresource.
    prepared = {**document, "metadata": own}
    prepared.pop("status", None)
    if "status" in current:
        prepared["status"] = current["status"]
    field = discovery.content_field(resource)
    if "generation" in own and not deep_equal(prepared.get(field), current.get(field)):
        own["generation"] += 1
    return prepared


def _job_changes(release: Release, spec: Json, current: StoredObject) -> Iterator[Cause]:
    started = "startTime" in current.get("status", {})
    return jobs.change_problems(release, spec, current["spec"], started=started)


def _spec_problems(
    release: Release, resource: Resource, document: StoredObject, current: StoredObject | None
) -> list[Cause]:
    field = discovery.content_field(resource)
    spec, own = document.get(field, {}), document["metadata"]
    if resource == discovery.BATCH_JOBS:
        if current and spec is current["spec"] and own["uid"] == current["metadata"]["uid"]:
            return []  # the same spec was valid before
        changes = _job_changes(release, spec, current) if current else ()
        return [*jobs.problems(release, spec, own.get("name", ""), own["uid"]), *changes]
    if resource in workloads.KINDS:
        return list(workloads.problems(release, resource, spec, current and current[field]))
    if resource == discovery.LEASES:
        return list(lease.problems(spec))
    if resource == discovery.PODS and current:
        return list(pods.change_problems(spec, current.get("spec")))
    if isinstance(spec, dict):
        return []
    what = "string" if isinstance(spec, str) else type(spec).__name__
    why = f'Invalid value: "{what}": spec in body must be of type object: "{what}"'
    return [Cause("spec", why, release.wrong_type)]
