"""Resolve a path to a resource, a namespace, a name and a subresource."""

from dataclasses import dataclass
from typing import Final

from fleetpatch.model.resource import Resource
from fleetpatch.sandbox.apiserver import discovery
from fleetpatch.sandbox.apiserver.release import Release
from fleetpatch.sandbox.apiserver.statuses import no_such_page, no_such_resource, not_found

_OBJECT: Final = 2
_SUBRESOURCE: Final = 3
_STATUS: Final = "status"


@dataclass(frozen=True, slots=True)
class Route:
    """A resolved path; without `namespace` it means all of them, without `name` the collection."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def find_route(release: Release, path: str) -> Route:
    """Resolve a percent-decoded path.

    Raises Refusal (404) if it is not served: a Status for a built-in group, else plain text.
    """
    # The core group is below /api and has no name; all others are below /apis.
    match path.strip("/").split("/"):
        case ["api", version, *rest]:
            return _route(release, "", version, rest)
        case ["apis", group, version, *rest]:
            return _route(release, group, version, rest)
        case _:
            raise no_such_page()


def _route(release: Release, group: str, version: str, rest: list[str]) -> Route:
    namespace = ""
    if len(rest) > _OBJECT and rest[0] == "namespaces" and _is_within(group, rest):
        namespace, rest = rest[1], rest[2:]
    resource = discovery.find(release, group, version, rest[0]) if rest else None
    if resource is None or len(rest) > _SUBRESOURCE:
        raise no_such_resource() if discovery.is_built_in(group) else no_such_page()
    name = rest[1] if len(rest) >= _OBJECT else ""
    subresource = rest[2] if len(rest) == _SUBRESOURCE else ""
    # A namespaced kind can be listed, but not read, without a namespace.
    if name and resource.namespaced and not namespace:
        raise no_such_resource() if discovery.is_built_in(group) else no_such_page()
    if subresource not in ("", _STATUS):
        raise no_such_resource() if discovery.is_built_in(group) else not_found(resource, name)
    return Route(resource, namespace, name, subresource)


def _is_within(group: str, rest: list[str]) -> bool:
    """Whether `namespaces/x/y` is the resource y in x, and not the subresource y of Namespace x."""
    return group != "" or rest[_OBJECT] not in (_STATUS, "finalize")
