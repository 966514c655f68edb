"""What a server serves: its groups, their versions, and the resources of each.

A group's preferred version comes first, so whoever looks for a resource and takes the first finds
the version that the server prefers among those that have it. Only what can be listed and patched
counts; subresources (`jobs/status`) do not.
"""

from dataclasses import dataclass

import msgspec

from fleetpatch.kube.wire import UNDECODABLE
from fleetpatch.model.resource import Resource

_NEEDED_VERBS = frozenset({"list", "patch"})


@dataclass(frozen=True, slots=True)
class GroupVersion:
    """One version of one group; the core group's name is empty."""

    group: str
    version: str

    @property
    def path(self) -> str:
        """Where its resources are described."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def __str__(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


CORE = GroupVersion("", "v1")


class _Version(msgspec.Struct):
    version: str


class _Group(msgspec.Struct, rename="camel"):
    name: str
    versions: list[_Version]
    preferred_version: _Version | None = None


class _Groups(msgspec.Struct):
    groups: list[_Group] | None


class _Resource(msgspec.Struct, rename="camel"):
    name: str
    kind: str
    namespaced: bool
    singular_name: str = ""
    short_names: list[str] | None = None
    verbs: list[str] | None = None


class _Resources(msgspec.Struct):
    resources: list[_Resource] | None


_groups = msgspec.json.Decoder(_Groups)
_resources = msgspec.json.Decoder(_Resources)


def group_versions(body: bytes) -> list[GroupVersion] | None:
    """Decode `/apis`, preferred versions first within each group; None where it is no such list."""
    try:
        groups = _groups.decode(body).groups or []
    except UNDECODABLE:
        return None
    return [
        GroupVersion(group.name, version) for group in groups for version in _preferred_first(group)
    ]


def resources(body: bytes, where: GroupVersion) -> list[Resource] | None:
    """Decode the resources of one version; None where it is no such list."""
    try:
        served = _resources.decode(body).resources or []
    except UNDECODABLE:
        return None
    return [
        Resource(
            group=where.group,
            version=where.version,
            plural=resource.name,
            kind=resource.kind,
            singular=resource.singular_name or resource.kind.lower(),
            short_names=tuple(resource.short_names or ()),
            namespaced=resource.namespaced,
        )
        for resource in served
        if "/" not in resource.name and set(resource.verbs or ()) >= _NEEDED_VERBS
    ]


def _preferred_first(group: _Group) -> list[str]:
    preferred = group.preferred_version.version if group.preferred_version else ""
    versions = [version.version for version in group.versions]
    return sorted(versions, key=lambda version: version != preferred)
