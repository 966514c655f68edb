"""The API as a function over the store: a request in, a reply out, without a socket."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from functools import lru_cache
from http import HTTPStatus
from typing import Final

import msgspec

from fleetpatch.model.fields import Json
from fleetpatch.sandbox.apiserver import discovery, openapi
from fleetpatch.sandbox.apiserver.access import Access
from fleetpatch.sandbox.apiserver.discovery import is_custom
from fleetpatch.sandbox.apiserver.lists import ListOptions, list_page
from fleetpatch.sandbox.apiserver.release import Release
from fleetpatch.sandbox.apiserver.routes import Route, find_route
from fleetpatch.sandbox.apiserver.statuses import (
    JSON,
    ApiReply,
    Refusal,
    bad_request,
    method_not_allowed,
    not_acceptable,
    not_found,
    ok,
)
from fleetpatch.sandbox.apiserver.store import Store, StoredObject
from fleetpatch.sandbox.apiserver.writes import Writes

_TRUE: Final = ("1", "true")
_TYPE: Final = ("apiVersion", "kind")
_META: Final = {"apiVersion": "meta.k8s.io/v1"}
_ACCEPTABLE: Final = re.compile(r"\s*(\*/\*|application/(\*|json|yaml|vnd\.kubernetes\.protobuf))")


class View(Enum):
    """The representation that an Accept header requests.

    A Table is answered with whole objects: the API allows this, and kubectl can print them.
    """

    WHOLE = auto()
    METADATA = auto()
    METADATA_LIST = auto()
    NONE = auto()


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One request.

    `path` is percent-decoded, `parameters` are those of the query, each once. The names of
    `headers` are in lower case. `target` is the encoded path and query, as received.
    """

    method: str
    path: str
    parameters: Mapping[str, str]
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    target: str = ""

    @property
    def authorization(self) -> str:
        """The Authorization header, or ""."""
        return self.headers.get("authorization", "")

    @property
    def content_type(self) -> str:
        """The Content-Type header, or ""."""
        return self.headers.get("content-type", "")

    @property
    def media_type(self) -> str:
        """The content type without its parameters."""
        return self.content_type.partition(";")[0].strip()


@dataclass(frozen=True, slots=True)
class Call:
    """A request to a resource: its verb, by the API's name, and its route."""

    verb: str
    route: Route


def call_of(release: Release, method: str, path: str) -> Call:
    """Resolve a method and a path. Raises Refusal for those that are not served."""
    route = find_route(release, path)
    verb = _VERBS.get((method, bool(route.name)), "")
    lacks_namespace = verb == "create" and route.resource.namespaced and not route.namespace
    writes_subresource = bool(route.subresource) and verb != "get"
    unserved = verb not in discovery.verbs_of(route.resource)
    if lacks_namespace or writes_subresource or unserved:
        raise method_not_allowed()
    return Call(verb, route)


def unlimited(route: Route, request: ApiRequest) -> None:
    """Accept every PATCH: the limit of a provider without limits."""


@dataclass(frozen=True, slots=True)
class Api:
    """The API of one sandbox.

    `limit` is called for each PATCH before it is carried out, and raises Refusal if the provider
    does not allow it.
    """

    store: Store
    writes: Writes
    access: Access
    limit: Callable[[Route, ApiRequest], None] = unlimited

    @property
    def release(self) -> Release:
        """The version that is served."""
        return self.writes.release

    def answer(self, request: ApiRequest) -> ApiReply:
        """Answer a request; a refusal is an answer, too."""
        # The order is the server's: authentication, then the path, then authorization. So a client
        # without permissions learns nothing about objects.
        try:
            user = self.access.user(request.authorization)
            if request.method == "GET" and (document := self._document(request)) is not None:
                return document
            call = call_of(self.release, request.method, request.path)
            self.access.check(user, call.verb, call.route)
            reply = self._carry_out(call, request)
        except Refusal as refusal:
            reply = refusal.reply
        return _pretty(reply) if request.parameters.get("pretty") in _TRUE else reply

    def _document(self, request: ApiRequest) -> ApiReply | None:
        if found := openapi.documents(self.release).get(request.path):
            return ok(found)
        accept = request.headers.get("accept", "")
        return discovery.document(self.release, request.path, accept)

    def _carry_out(self, call: Call, request: ApiRequest) -> ApiReply:
        route, parameters = call.route, dict(request.parameters)
        view = _view(request.headers.get("accept", ""))
        if view is View.NONE:
            raise not_acceptable("406: Not Acceptable")
        match call.verb:
            case "list":
                return self._list(route, parameters, view)
            case "get":
                document = self.store.get(route.resource, route.namespace, route.name)
                if document is None:
                    raise not_found(route.resource, route.name)
                return _object_reply(document, view)
            case "patch":
                self.limit(route, request)
                # Before the patch, because afterwards the object exists in either case.
                creates = self.writes.would_create(route, request.content_type)
                patched = self.writes.patch(route, request.content_type, request.body, parameters)
                status = HTTPStatus.CREATED if creates else HTTPStatus.OK
                return _object_reply(patched, view, status)
            case "create":
                created = self.writes.create(route, request.content_type, request.body, parameters)
                return _object_reply(created, view, HTTPStatus.CREATED)
            case "update":
                return _object_reply(self.writes.replace(route, request.body, parameters), view)
            case _:
                return ok(self.writes.delete(route, request.body, parameters))

    def _list(self, route: Route, parameters: dict[str, str], view: View) -> ApiReply:
        if parameters.get("watch") in _TRUE:
            raise bad_request("the sandbox does not support watches; list again instead")
        if view is View.METADATA:
            raise not_acceptable(
                "you requested PartialObjectMetadata, but the requested object is a list"
            )
        resource = route.resource
        query = ListOptions.parse(self.release, resource, parameters)
        page = list_page(self.store, resource, route.namespace, query)
        metadata: Json = {"resourceVersion": str(page.version)}
        # Lists of custom resources have the field even if it is empty.
        if page.token or (is_custom(resource) and view is View.WHOLE):
            metadata["continue"] = page.token
        # Older servers do not count the rest of a list of metadata.
        counts = view is not View.METADATA_LIST or self.release.counts_metadata
        if counts and page.remaining is not None:
            metadata["remainingItemCount"] = page.remaining
        if view is View.METADATA_LIST:
            # The real server writes null for an empty list of metadata.
            items = [_metadata_only(document) for document in page.documents] or None
            kind = {"kind": "PartialObjectMetadataList", **_META}
            return ok({**kind, "metadata": metadata, "items": items})
        kind = {"kind": f"{resource.kind}List", "apiVersion": resource.api_version}
        documents = page.documents
        if not is_custom(resource):
            documents = [_untyped(document) for document in documents]
        return ok({**kind, "metadata": metadata, "items": documents})


_VERBS: Final = {
    ("GET", False): "list",
    ("POST", False): "create",
    ("GET", True): "get",
    ("PATCH", True): "patch",
    ("PUT", True): "update",
    ("DELETE", True): "delete",
}


@lru_cache(maxsize=256)
def _view(accept: str) -> View:
    """The first representation in an Accept header that the sandbox supports."""
    for part in (accept or "*/*").split(","):
        if not _ACCEPTABLE.match(part):
            continue
        if "as=PartialObjectMetadataList" in part and "v=v1" in part:
            return View.METADATA_LIST
        if "as=PartialObjectMetadata" in part and "v=v1" in part:
            return View.METADATA
        return View.WHOLE
    return View.NONE


def _pretty(reply: ApiReply) -> ApiReply:
    """The reply with its JSON indented; a reply without JSON is returned unchanged."""
    if reply.content_type != JSON:
        return reply
    return replace(reply, body=msgspec.json.format(reply.body) + b"\n")


def _untyped(document: StoredObject) -> Json:
    """An entry of a list of a built-in kind: the list alone names the kind."""
    return {key: value for key, value in document.items() if key not in _TYPE}


def _metadata_only(document: StoredObject) -> Json:
    return {"kind": "PartialObjectMetadata", **_META, "metadata": document["metadata"]}


def _object_reply(document: StoredObject, view: View, status: int = HTTPStatus.OK) -> ApiReply:
    if view is View.METADATA_LIST:
        raise not_acceptable(
            "you requested PartialObjectMetadataList, but the requested object is not a list"
        )
    return ok(_metadata_only(document) if view is View.METADATA else document, status)
