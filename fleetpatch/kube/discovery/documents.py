"""Decodes one discovery document a group version, and the list of the groups.

The preferred version of a group comes first, so that the first match for a resource is the version
that the server prefers among those that have it. Only resources that can be listed and patched
count; subresources (`jobs/status`) do not. Null is the same as absent; entries without a name are
left out.
"""

import msgspec

from fleetpatch.kube.http.lenient_json import decode
from fleetpatch.model.resource import Resource
from fleetpatch.rules.patching.merge_rules import release

# The survey lists, and the engine patches.
NEEDED_VERBS = frozenset({"list", "patch"})


class GroupVersion(msgspec.Struct, frozen=True):
    """One version of one group; the core group's name is empty."""

    group: str
    version: str

    @property
    def path(self) -> str:
        """The path of its discovery document."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def __str__(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


CORE = GroupVersion("", "v1")


class _GroupVersion(msgspec.Struct):
    version: str | None = None


class _Group(msgspec.Struct, rename="camel"):
    name: str | None = None
    versions: list[_GroupVersion | None] | None = None
    preferred_version: _GroupVersion | None = None


class _Groups(msgspec.Struct):
    groups: list[_Group | None] | None


class _Resource(msgspec.Struct, rename="camel"):
    name: str | None = None
    kind: str | None = None
    namespaced: bool | None = None
    singular_name: str | None = None
    short_names: list[str | None] | None = None
    verbs: list[str | None] | None = None


class _Resources(msgspec.Struct, rename="camel"):
    resources: list[_Resource | None] | None
    group_version: str | None = None


class _Version(msgspec.Struct, rename="camel"):
    git_version: str | None = None


_groups = msgspec.json.Decoder(_Groups)
_resources = msgspec.json.Decoder(_Resources)
_version = msgspec.json.Decoder(_Version)


def group_versions(body: bytes) -> list[GroupVersion] | None:
    """Decode `/apis`, preferred versions first within each group; None for another document."""
    served = decode(_groups, body)
    if served is None:
        return None
    return [
        GroupVersion(group.name, version)
        for group in served.groups or ()
        if group is not None and group.name
        for version in _preferred_first(group)
    ]


def resources(body: bytes, where: GroupVersion) -> list[Resource] | None:
    """Decode the resources of one version; None if the document is not of that version."""
    served = decode(_resources, body)
    if served is None or (served.group_version or str(where)) != str(where):
        return None
    return [
        Resource(
            group=where.group,
            version=where.version,
            plural=resource.name,
            kind=resource.kind,
            singular=resource.singular_name or resource.kind.lower(),
            short_names=tuple(name for name in resource.short_names or () if name),
            namespaced=bool(resource.namespaced),
        )
        for resource in served.resources or ()
        if resource is not None and resource.name and resource.kind
        # `jobs/status` is a subresource of `jobs`.
        if "/" not in resource.name and set(resource.verbs or ()) >= NEEDED_VERBS
    ]


def release_of(body: bytes) -> str:
    """Decode `/version`: "1.20" for a server of v1.20.2; empty for another document."""
    version = decode(_version, body)
    return release(version.git_version) if version is not None else ""


def _preferred_first(group: _Group) -> list[str]:
    preferred = group.preferred_version.version if group.preferred_version else None
    named = [version.version for version in group.versions or () if version is not None]
    versions = [version for version in named if version]
    # A stable sort: the others stay in the order of the server, which is its order of preference.
    return sorted(versions, key=lambda version: version != preferred)
