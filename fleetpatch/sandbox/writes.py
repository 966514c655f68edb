"""POST, PUT, PATCH, DELETE: from a request's body to the store.

An update that changes nothing is not stored, so the version stays: clients rely on it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec

from fleetpatch.model.fields import Json
from fleetpatch.model.resource import Resource
from fleetpatch.sandbox import discovery, jobs, objects, patches
from fleetpatch.sandbox.routes import Route
from fleetpatch.sandbox.statuses import (
    JSON,
    Cause,
    already_exists,
    bad_request,
    broken,
    conflict,
    invalid_option,
    not_found,
    unsupported_media_type,
)
from fleetpatch.sandbox.store import Document, Store

_T = TypeVar("_T")
_ACCEPTED: Final = (patches.JSON_PATCH, patches.MERGE)
_LISTED: Final = (*_ACCEPTED, patches.APPLY)
_BODIES: Final = ("", JSON)
_PRECONDITIONS: Final = (("uid", "UID"), ("resourceVersion", "ResourceVersion"))
_SUFFIX: Final = 5


class _DeleteOptions(msgspec.Struct, rename="camel"):
    """The body of a DELETE, as far as it matters here."""

    dry_run: list[str] | None = None
    preconditions: dict[str, str | None] | None = None


@dataclass(frozen=True, slots=True)
class Writes:
    """The writing verbs over one store.

    `new_uid` makes uids, `wall` tells the time (seconds since the epoch). All verbs raise Refusal.
    """

    store: Store
    new_uid: Callable[[], str]
    wall: Callable[[], float] = time.time

    def create(
        self, route: Route, content_type: str, body: bytes, parameters: dict[str, str]
    ) -> Document:
        """POST; the new object."""
        if _media_type(content_type) not in _BODIES:
            raise unsupported_media_type(_BODIES[1:], custom=True)
        dry = _is_dry_run(parameters, "CreateOptions")
        resource, namespace = route.resource, route.namespace
        document = objects.decoded_new(resource, _body(resource, body))
        if document["metadata"].get("namespace", namespace) != namespace:
            raise bad_request(
                "the namespace of the provided object does not match the namespace sent on the"
                " request"
            )
        if namespace and not self.store.get(discovery.NAMESPACES, "", namespace):
            raise not_found(discovery.NAMESPACES, namespace)
        document = self._prepared(resource, namespace, document)
        objects.check(resource, document, None)
        name = document["metadata"]["name"]
        if self.store.get(resource, namespace, name):
            raise already_exists(resource, name)
        return document if dry else self.store.put(resource, document)

    def patch(
        self, route: Route, content_type: str, body: bytes, parameters: dict[str, str]
    ) -> Document:
        """PATCH; the object as it is afterwards."""
        custom = discovery.is_custom(route.resource)
        kind = _media_type(content_type)
        if kind not in _ACCEPTED and (custom or kind != patches.STRATEGIC):
            raise unsupported_media_type(_LISTED, custom=custom)
        dry = _is_dry_run(parameters, "PatchOptions")
        if "force" in parameters:
            why = "Forbidden: may not be specified for non-apply patch"
            raise invalid_option("PatchOptions", Cause("force", why, "FieldValueForbidden"))
        current = self._current(route)
        return self._stored(route, current, patches.patched(current, kind, body), dry=dry)

    def replace(self, route: Route, body: bytes, parameters: dict[str, str]) -> Document:
        """PUT; the object as it is afterwards."""
        dry = _is_dry_run(parameters, "UpdateOptions")
        document = objects.decoded_new(route.resource, _body(route.resource, body))
        current = self._current(route)
        stored = current["metadata"]["uid"]
        uid = document["metadata"].get("uid", stored)
        if uid != stored:
            why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {stored}"
            raise conflict(route.resource, route.name, why)
        return self._stored(route, current, document, dry=dry)

    def delete(self, route: Route, body: bytes, parameters: dict[str, str]) -> Json:
        """DELETE; a Status of success. The object goes at once, whatever its finalizers."""
        options = _decoded(body or b"{}", _DeleteOptions, "DeleteOptions")
        dry = _is_dry_run(parameters, "DeleteOptions") or bool(options.dry_run)
        resource = route.resource
        found = self._current(route)["metadata"]
        preconditions = options.preconditions or {}
        for field, name in _PRECONDITIONS:
            wanted = preconditions.get(field)
            if wanted and wanted != found[field]:
                why = (
                    f"the {name} in the precondition ({wanted}) does not match the {name} in record"
                    f" ({found[field]}). The object might have been deleted and then recreated"
                )
                raise conflict(resource, route.name, why, kind=resource.kind)
        if not dry:
            self.store.delete(resource, route.namespace, route.name)
        details = {"name": route.name, "group": resource.group, "kind": resource.plural}
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": {**details, "uid": found["uid"]},
        }

    def recreated(self, resource: Resource, document: Document) -> Document:
        """A new object with the name and content of `document`, not stored yet."""
        uid = self.new_uid()
        fresh = {**document["metadata"], "uid": uid, "creationTimestamp": self._now()}
        recreated = {**document, "metadata": fresh}
        if resource == discovery.BATCH_JOBS:
            recreated["spec"] = jobs.with_new_selector(document["spec"], fresh["name"], uid)
        return recreated

    def _current(self, route: Route) -> Document:
        document = self.store.get(route.resource, route.namespace, route.name)
        if document is None:
            raise not_found(route.resource, route.name)
        return document

    def _stored(self, route: Route, current: Document, raw: Json, *, dry: bool) -> Document:
        document = objects.updated(route, raw, current)
        if dry or document is current:
            return document
        return self.store.put(route.resource, document)

    def _prepared(self, resource: Resource, namespace: str, document: Document) -> Document:
        """A new object with what the server itself sets."""
        given = document["metadata"]
        if given.get("resourceVersion"):
            raise broken("resourceVersion should not be set on objects to be created")
        uid = self.new_uid()
        own = {**given, "uid": uid, "creationTimestamp": self._now()}
        if namespace:
            own["namespace"] = namespace
        if "generateName" in own and "name" not in own:
            own["name"] = own["generateName"] + uid[:_SUFFIX]
        prepared = {**document, "metadata": own}
        match resource:
            case discovery.BATCH_JOBS:
                spec = jobs.with_selector(document["spec"], own.get("name", ""), uid)
                own |= jobs.labels_by_default(own, spec)
                prepared |= {"spec": spec, "status": {}}
            case discovery.NAMESPACES:
                prepared |= {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}
            case discovery.LEASES:
                pass  # nothing more
            case _:
                own["generation"] = 1
        return prepared

    def _now(self) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.wall()))


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip()


def _is_dry_run(parameters: dict[str, str], options: str) -> bool:
    if "dryRun" not in parameters:
        return False
    if parameters["dryRun"] != "All":
        told = f'[]string{{"{parameters["dryRun"]}"}}'
        why = f'Unsupported value: {told}: supported values: "All"'
        raise invalid_option(options, Cause("dryRun", why, "FieldValueNotSupported"))
    return True


def _body(resource: Resource, body: bytes) -> dict[str, Any]:
    """The body of POST and PUT; what it leaves out of its type is filled in."""
    wanted = {"apiVersion": resource.api_version, "kind": resource.kind}
    raw = wanted | _decoded(body, dict[str, Any], resource.kind)
    # A custom kind that is another is found when it is decoded, and is another answer.
    fields = ("apiVersion",) if discovery.is_custom(resource) else ("apiVersion", "kind")
    for field in fields:
        if raw[field] != wanted[field]:
            raise bad_request(
                f"the {field} in the data ({raw[field]}) does not match the expected one"
                f" ({wanted[field]})"
            )
    return raw


def _decoded(body: bytes, wanted: type[_T], kind: str) -> _T:
    try:
        return msgspec.json.decode(body, type=wanted)
    except msgspec.DecodeError as error:
        raise bad_request(
            f"the object provided is unrecognized (must be of type {kind}): couldn't get"
            f" version/kind; json parse error: {error}"
        ) from error
