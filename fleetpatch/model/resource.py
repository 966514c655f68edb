"""The resources that a server serves, and the names by which people call them.

A name of a kind is a plural, singular, kind or short name, in any case, alone (`jobs`, `vcjob`,
`TFJob`) or followed by a group (`jobs.batch`) or by a version and a group (`jobs.v1.batch`; the
core group is empty: `pods.v1.`).
"""

from collections.abc import Collection, Sequence

import msgspec


class Resource(msgspec.Struct, frozen=True):
    """One served resource, such as `batch/v1 jobs`, with its names from discovery.

    `plural` is the name in URLs (`jobs`), `kind` the name in objects (`Job`). `group` is empty for
    the core group.
    """

    group: str
    version: str
    plural: str
    kind: str
    singular: str = ""
    short_names: tuple[str, ...] = ()
    namespaced: bool = True

    @property
    def name(self) -> str:
        """The resource's name as kubectl prints it: `jobs.batch`, `tfjobs.kubeflow.org`, `pods`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def unambiguous_name(self) -> str:
        """A name that cannot mean another resource: `jobs.batch`, `pods.v1.`."""
        return self.name if self.group else f"{self.plural}.{self.version}."

    @property
    def full_names(self) -> Collection[str]:
        """Plural, singular and kind in lower case, without the group."""
        return (self.plural.lower(), self.singular.lower(), self.kind.lower())

    @property
    def api_version(self) -> str:
        """`group/version`, as in an object's `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version


def resources_named(name: str, resources: Sequence[Resource]) -> list[Resource]:
    """Return every resource that `name` can mean; of several versions of one, the first.

    Discovery lists the preferred version of a group first.
    """
    head, _, rest = name.lower().partition(".")
    candidates = [one for one in resources if not rest or rest in _suffixes(one)]
    # As kubectl does: a short name counts only if no resource has the name in full.
    by_full_name = [one for one in candidates if head in one.full_names]
    return _first_versions(by_full_name or [one for one in candidates if head in _short_names(one)])


def groups_named(names: Collection[str]) -> frozenset[str] | None:
    """Return the groups that `names` can mean, or None if one of them does not name its group."""
    if not all("." in name for name in names):
        return None
    suffixes = {name.lower().partition(".")[2] for name in names}
    # `jobs.v1.batch` may mean the version v1 of the group batch, or the group v1.batch.
    after_version = {suffix.partition(".")[2] for suffix in suffixes if "." in suffix}
    return frozenset(suffixes | after_version)


def _short_names(resource: Resource) -> Collection[str]:
    return {short.lower() for short in resource.short_names}


def _suffixes(resource: Resource) -> Collection[str]:
    return (resource.group.lower(), f"{resource.version}.{resource.group}".lower())


def _first_versions(matches: Sequence[Resource]) -> list[Resource]:
    first: dict[tuple[str, str], Resource] = {}
    for resource in matches:
        first.setdefault((resource.group, resource.plural), resource)
    return list(first.values())
