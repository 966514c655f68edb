"""The names of kinds, as people write them, and the resources that they can mean.

A name is a plural, singular, kind or short name, in any case, alone (`jobs`, `vcjob`, `TFJob`) or
followed by a group (`jobs.batch`) or a version and a group (`jobs.v1.batch`; the core group is
empty: `pods.v1.`).
"""

from collections.abc import Collection, Sequence

from fleetpatch.model.resource import Resource


def matching(name: str, resources: Sequence[Resource]) -> list[Resource]:
    """All that `name` can mean among `resources`; of several versions of one, the first."""
    head, _, rest = name.lower().partition(".")
    within = [resource for resource in resources if not rest or rest in _suffixes(resource)]
    by_name = [resource for resource in within if head in names(resource)]
    return _unique(by_name or [one for one in within if head in _short_names(one)])


def names(resource: Resource) -> Collection[str]:
    """The names of a resource in full, in lower case, without its group."""
    return (resource.plural.lower(), resource.singular.lower(), resource.kind.lower())


def unambiguous(resource: Resource) -> str:
    """A name that can mean nothing else: `jobs.batch`, `pods.v1.`."""
    return resource.name if resource.group else f"{resource.plural}.{resource.version}."


def groups_named(kinds: Collection[str]) -> frozenset[str] | None:
    """The groups that the names `kinds` can mean, where each of them says its group; else None."""
    if not all("." in name for name in kinds):
        return None
    suffixes = {name.lower().partition(".")[2] for name in kinds}
    # `jobs.v1.batch`: what follows may be a version and a group, or a group alone.
    behind = {suffix.partition(".")[2] for suffix in suffixes if "." in suffix}
    return frozenset(suffixes | behind)


def _short_names(resource: Resource) -> Collection[str]:
    return {short.lower() for short in resource.short_names}


def _suffixes(resource: Resource) -> Collection[str]:
    return (resource.group.lower(), f"{resource.version}.{resource.group}".lower())


def _unique(matches: Sequence[Resource]) -> list[Resource]:
    first: dict[tuple[str, str], Resource] = {}
    for resource in matches:
        first.setdefault((resource.group, resource.plural), resource)
    return list(first.values())
