"""Decodes aggregated discovery: one document with the resources of all groups of a server.

Its versions are in the server's order of preference. A version is stale if the server could not
read it again from the API server that it stands for; it counts as unavailable, as in kubectl.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from fleetpatch.kube.discovery.documents import NEEDED_VERBS, GroupVersion
from fleetpatch.kube.http.lenient_json import decode
from fleetpatch.model.resource import Resource

_KIND: Final = "APIGroupDiscoveryList"


class Served(NamedTuple):
    """The resources of each group version, preferred ones first, and the stale group versions."""

    resources: dict[GroupVersion, list[Resource]]
    stale: list[GroupVersion]


class _Kind(msgspec.Struct):
    kind: str | None = None


class _Resource(msgspec.Struct, rename="camel"):
    resource: str | None = None
    response_kind: _Kind | None = None
    scope: str | None = None
    singular_resource: str | None = None
    short_names: list[str | None] | None = None
    verbs: list[str | None] | None = None


class _Version(msgspec.Struct):
    version: str | None = None
    resources: list[_Resource | None] | None = None
    freshness: str | None = None


class _Metadata(msgspec.Struct):
    name: str | None = None


class _Group(msgspec.Struct):
    metadata: _Metadata | None = None
    versions: list[_Version | None] | None = None


class _Groups(msgspec.Struct):
    kind: str | None = None
    items: list[_Group | None] | None = None


_groups = msgspec.json.Decoder(_Groups)


def served(body: bytes) -> Served | None:
    """Decode `/apis` or `/api`; None for another document, such as the list of an older server."""
    document = decode(_groups, body)
    if document is None or document.kind != _KIND:
        return None
    found = Served({}, [])
    for where, version in _versions(document.items or ()):
        if version.freshness == "Stale":
            found.stale.append(where)
        else:
            found.resources[where] = list(_resources(where, version.resources or ()))
    return found


def _versions(groups: Iterable[_Group | None]) -> Iterator[tuple[GroupVersion, _Version]]:
    for group in groups:
        if group is None:
            continue
        # The core group has no name.
        name = (group.metadata.name if group.metadata else None) or ""
        for version in group.versions or ():
            if version is not None and version.version:
                yield GroupVersion(name, version.version), version


def _resources(where: GroupVersion, listed: Iterable[_Resource | None]) -> Iterator[Resource]:
    for resource in listed:
        if resource is None or not set(resource.verbs or ()) >= NEEDED_VERBS:
            continue
        kind = resource.response_kind.kind if resource.response_kind else None
        if resource.resource and kind:
            yield Resource(
                group=where.group,
                version=where.version,
                plural=resource.resource,
                kind=kind,
                singular=resource.singular_resource or kind.lower(),
                short_names=tuple(name for name in resource.short_names or () if name),
                namespaced=resource.scope == "Namespaced",
            )
