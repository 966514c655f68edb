"""POST, PUT, PATCH, DELETE: from a request's body to the store.

An update that changes nothing is not stored, so the version stays the same; clients rely on it. The
owners of fields are kept with the objects (`fleetpatch.sandbox.apiserver.managed_fields`); a client
without a `fieldManager` is recorded as `unknown`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fleetpatch.model.fields import Json
from fleetpatch.model.resource import Resource
from fleetpatch.rules.patching.structured.fieldsets import shown
from fleetpatch.rules.patching.structured.ownership import ConflictError
from fleetpatch.sandbox.apiserver import bodies, discovery, jobs, metadata, objects, patches
from fleetpatch.sandbox.apiserver.managed_fields import configuration, tracking
from fleetpatch.sandbox.apiserver.managed_fields.merge_rules import rules_of
from fleetpatch.sandbox.apiserver.managed_fields.tracking import Tracker, Writer
from fleetpatch.sandbox.apiserver.options import WriteOptions
from fleetpatch.sandbox.apiserver.release import Release
from fleetpatch.sandbox.apiserver.routes import Route
from fleetpatch.sandbox.apiserver.statuses import (
    already_exists,
    apply_conflict,
    bad_request,
    conflict,
    internal_error,
    not_found,
    undecodable,
    unsupported_media_type,
)
from fleetpatch.sandbox.apiserver.store import Store, StoredObject

_ACCEPTED: Final = (patches.JSON_PATCH, patches.MERGE, patches.APPLY)
_PRECONDITIONS: Final = (("uid", "UID"), ("resourceVersion", "ResourceVersion"))
_SUFFIX: Final = 5


def _is_built_in(resource: Resource) -> bool:
    return not discovery.is_custom(resource)


@dataclass(frozen=True, slots=True)
class Writes:
    """The writing verbs over one store. All of them raise Refusal.

    - `new_uid`: makes uids.
    - `release`: the version that the sandbox serves.
    - `wall`: the clock, in seconds since the epoch.
    - `takes_strategic`: whether a kind accepts strategic merge patches.
    """

    store: Store
    new_uid: Callable[[], str]
    release: Release
    wall: Callable[[], float] = time.time
    takes_strategic: Callable[[Resource], bool] = _is_built_in

    def create(
        self, route: Route, content_type: str, body: bytes, parameters: dict[str, str]
    ) -> StoredObject:
        """Carry out a POST; return the new object."""
        bodies.check_json(content_type)
        bodies.check_size(body)
        options = WriteOptions.parse(parameters, "CreateOptions")
        resource, namespace = route.resource, route.namespace
        document = objects.decoded_new(self.release, resource, bodies.whole_object(resource, body))
        if document["metadata"].get("namespace", namespace) != namespace:
            raise bad_request(
                "the namespace of the provided object does not match the namespace sent on the"
                " request"
            )
        # Owners are computed before the server generates fields, for example labels of pods: those
        # do not have an owner.
        labelled = objects.labelled(self.release, resource, document)
        managed = self._tracker(resource).created(labelled, self._writer(options))
        return self._store_new(route, tracking.with_owners(document, managed), options)

    def patch(
        self, route: Route, content_type: str, body: bytes, parameters: dict[str, str]
    ) -> StoredObject:
        """Carry out a PATCH; return the object after it."""
        custom = discovery.is_custom(route.resource)
        # The order of these checks is the server's: type, size, options, and only then the object.
        kind = bodies.media_type(content_type)
        strategic = kind == patches.STRATEGIC and self.takes_strategic(route.resource)
        if kind not in _ACCEPTED and not strategic:
            raise unsupported_media_type(_ACCEPTED, custom=custom)
        bodies.check_size(body)
        options = WriteOptions.parse(parameters, "PatchOptions", applies=kind == patches.APPLY)
        if kind == patches.APPLY:
            return self._applied(route, body, options)
        current = self._current(route)
        raw = patches.patched(
            current, kind, body, rules_of(self.release, route.resource), self.release
        )
        try:
            document = objects.patched(self.release, route.resource, raw, current)
        except ValueError as error:
            raise undecodable(raw, str(error)) from error
        return self._updated(route, current, document, _claimed(raw), options)

    def would_create(self, route: Route, content_type: str) -> bool:
        """Whether a PATCH would create the object, as a server-side apply may."""
        applies = bodies.media_type(content_type) == patches.APPLY
        return applies and not self.store.get(route.resource, route.namespace, route.name)

    def replace(self, route: Route, body: bytes, parameters: dict[str, str]) -> StoredObject:
        """Carry out a PUT; return the object after it."""
        bodies.check_size(body)
        options = WriteOptions.parse(parameters, "UpdateOptions")
        raw = bodies.whole_object(route.resource, body)
        document = objects.decoded_new(self.release, route.resource, raw)
        current = self._current(route)
        stored = current["metadata"]["uid"]
        # A uid in a PUT is a precondition, and optional.
        uid = document["metadata"].get("uid", stored)
        if uid != stored:
            why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {stored}"
            raise conflict(route.resource, route.name, why)
        document = objects.patched(self.release, route.resource, document, current)
        return self._updated(route, current, document, _claimed(raw), options)

    def delete(self, route: Route, body: bytes, parameters: dict[str, str]) -> Json:
        """Carry out a DELETE; return a Status of success.

        The object is removed at once, also if it has finalizers.
        """
        bodies.check_size(body)
        options = bodies.delete_options(body)
        # A DELETE may have its options in the query or in the body.
        dry = WriteOptions.parse(parameters, "DeleteOptions").dry_run or bool(options.dry_run)
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

    def recreated(self, resource: Resource, document: StoredObject) -> StoredObject:
        """A new object with the name and content of `document`; it is not stored yet."""
        uid = self.new_uid()
        document = tracking.without_owners(document)
        fresh = {**document["metadata"], "uid": uid, "creationTimestamp": self._now()}
        recreated = {**document, "metadata": fresh}
        if resource == discovery.BATCH_JOBS:
            recreated["spec"] = jobs.with_new_selector(
                self.release, document["spec"], fresh["name"], uid
            )
        return recreated

    def _current(self, route: Route) -> StoredObject:
        document = self.store.get(route.resource, route.namespace, route.name)
        if document is None:
            raise not_found(route.resource, route.name)
        return document

    def _updated(
        self,
        route: Route,
        current: StoredObject,
        document: StoredObject,
        claimed: Json,
        options: WriteOptions,
    ) -> StoredObject:
        writer = self._writer(options)
        tracker = self._tracker(route.resource)
        document = tracker.updated(current, document, claimed, writer)
        return self._stored(route, current, document, options)

    def _applied(self, route: Route, body: bytes, options: WriteOptions) -> StoredObject:
        """Carry out a server-side apply, which creates an object that does not exist."""
        resource = route.resource
        current = self.store.get(resource, route.namespace, route.name)
        wanted = configuration.decoded(self.release, resource, body)
        tracker = self._tracker(resource)
        if current is not None and tracker.is_ambiguous(current):
            raise internal_error("failed to create manager for existing fields: duplicate entries")
        try:
            merged, managed = tracker.applied(
                current, wanted, self._writer(options), force=options.force
            )
        except ConflictError as error:
            conflicts = [(str(each.manager), shown(each.field)) for each in error.conflicts]
            raise apply_conflict(conflicts) from error
        document = tracking.with_owners(
            objects.applied(self.release, resource, merged, current), managed
        )
        if current is not None:
            return self._stored(route, current, document, options)
        return self._store_new(route, _identified(route, document), options)

    def _stored(
        self, route: Route, current: StoredObject, document: StoredObject, options: WriteOptions
    ) -> StoredObject:
        document = objects.updated(self.release, route, document, current)
        # A dry run goes through all checks; only the store does not change.
        if options.dry_run or document is current:
            return document
        return self.store.put(route.resource, document)

    def _store_new(
        self, route: Route, document: StoredObject, options: WriteOptions
    ) -> StoredObject:
        """Store a new object, whose name and namespace have been checked."""
        resource, namespace = route.resource, route.namespace
        if namespace and not self.store.get(discovery.NAMESPACES, "", namespace):
            raise not_found(discovery.NAMESPACES, namespace)
        document = self._prepared(resource, namespace, document)
        objects.check(self.release, resource, document, None)
        name = document["metadata"]["name"]
        if self.store.get(resource, namespace, name):
            raise already_exists(resource, name)
        return document if options.dry_run else self.store.put(resource, document)

    def _prepared(self, resource: Resource, namespace: str, document: StoredObject) -> StoredObject:
        """A new object with the fields that the server sets."""
        given = document["metadata"]
        if given.get("resourceVersion"):
            raise internal_error("resourceVersion should not be set on objects to be created")
        uid = self.new_uid()
        own = {**metadata.with_owners_once(given), "uid": uid, "creationTimestamp": self._now()}
        if namespace:
            own["namespace"] = namespace
        # Five random characters, as on the server; the uid is random already.
        if "generateName" in own and "name" not in own:
            own["name"] = own["generateName"] + uid[:_SUFFIX]
        prepared = {**document, "metadata": own}
        match resource:
            case discovery.BATCH_JOBS:
                spec = jobs.with_selector(self.release, document["spec"], own.get("name", ""), uid)
                own |= jobs.labels_by_default(own, spec)
                prepared |= {"spec": spec, "status": {}}
            case discovery.NAMESPACES:
                prepared = objects.labelled(self.release, resource, prepared)
                prepared |= {"spec": {"finalizers": ["kubernetes"]}}
            case discovery.PODS:
                prepared |= {"status": {"phase": "Pending", "qosClass": "BestEffort"}}
            case discovery.CRON_JOBS | discovery.OLD_CRON_JOBS | discovery.DEPLOYMENTS:
                prepared |= {"status": {}}
            case _:
                pass  # Leases and PodTemplates have no status, and custom kinds keep any
        if discovery.has_generation(self.release, resource):
            prepared["metadata"] = {**prepared["metadata"], "generation": 1}
        return prepared

    def _tracker(self, resource: Resource) -> Tracker:
        return Tracker(self.release, resource)

    def _writer(self, options: WriteOptions) -> Writer:
        return Writer(options.manager, self._now())

    def _now(self) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.wall()))


def _claimed(raw: Json) -> Json:
    """The `managedFields` in the body of a PUT, or in the result of a patch."""
    return (raw.get("metadata") or {}).get("managedFields")


def _identified(route: Route, document: StoredObject) -> StoredObject:
    """Check an object that an apply creates against the path.

    Its resourceVersion is dropped, because there is no stored version to compare it with.
    """
    own = document["metadata"]
    if "uid" in own:
        why = (
            f"uid mismatch: the provided object specified uid {own['uid']}, and no existing object"
            " was found"
        )
        raise conflict(route.resource, route.name, why)
    objects.check_name(route, own)
    objects.version_of(own)
    kept = {key: value for key, value in own.items() if key != "resourceVersion"}
    return {**document, "metadata": kept}
