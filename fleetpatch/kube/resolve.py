"""From the name of a kind, as people write it, to the one resource that it means.

A name is a plural, singular, kind or short name, in any case, alone (`jobs`, `vcjob`, `TFJob`) or
followed by a group (`jobs.batch`) or a version and a group (`jobs.v1.batch`; the core group is
empty: `pods.v1.`). kubectl takes the first of several groups in silence; here that is refused, for
a campaign over the wrong kind of job cannot be told from the right one by its counts.
"""

import difflib
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

from fleetpatch.errors import ClusterError, UsageError
from fleetpatch.model.resource import Resource

_NOTHING: Mapping[str, str] = MappingProxyType({})


def resolve(
    name: str, resources: Sequence[Resource], unavailable: Mapping[str, str] = _NOTHING
) -> Resource:
    """Find what `name` means among `resources`, where of several versions the first counts.

    `unavailable` says for each `group/version` that could not be asked why. Raises UsageError for
    a name that means several resources, listing them, or none, with those near; ClusterError where
    it may be among the unavailable.
    """
    found = _unique(_matches(name, resources))
    if len(found) == 1:
        return found[0]
    if found:
        candidates = ", ".join(sorted(_unambiguous(resource) for resource in found))
        raise UsageError(f"{name!r} is ambiguous; write one of these: {candidates}")
    missing = _hiding(name, unavailable)
    if missing:
        reasons = "; ".join(f"{group}: {unavailable[group]}" for group in missing)
        raise ClusterError(f"{name!r} is not found, and not all could be asked ({reasons})")
    near = _near(name, resources)
    hint = f"did you mean {', '.join(near)}?" if near else "see `kubectl api-resources`"
    raise UsageError(f"{name!r} is not served, or cannot be listed and patched; {hint}")


def groups_named(names: Collection[str]) -> frozenset[str] | None:
    """The groups that `names` can mean, where each of them says its group; else None."""
    if not all("." in name for name in names):
        return None
    suffixes = {name.lower().partition(".")[2] for name in names}
    # `jobs.v1.batch`: what follows may be a version and a group, or a group alone.
    behind = {suffix.partition(".")[2] for suffix in suffixes if "." in suffix}
    return frozenset(suffixes | behind)


def _matches(name: str, resources: Sequence[Resource]) -> list[Resource]:
    head, _, rest = name.lower().partition(".")
    within = [resource for resource in resources if not rest or rest in _suffixes(resource)]
    by_name = [resource for resource in within if head in _names(resource)]
    return by_name or [
        resource for resource in within if head in {short.lower() for short in resource.short_names}
    ]


def _names(resource: Resource) -> Collection[str]:
    return (resource.plural.lower(), resource.singular.lower(), resource.kind.lower())


def _suffixes(resource: Resource) -> Collection[str]:
    return (resource.group.lower(), f"{resource.version}.{resource.group}".lower())


def _unique(matches: Sequence[Resource]) -> list[Resource]:
    first: dict[tuple[str, str], Resource] = {}
    for resource in matches:
        first.setdefault((resource.group, resource.plural), resource)
    return list(first.values())


def _unambiguous(resource: Resource) -> str:
    return resource.name if resource.group else f"{resource.plural}.{resource.version}."


def _hiding(name: str, unavailable: Mapping[str, str]) -> list[str]:
    """Name the group versions that could not be asked and may have `name`."""
    rest = name.lower().partition(".")[2]
    groups = {entry: entry.rpartition("/")[0].lower() for entry in unavailable}
    return [
        entry
        for entry, group in groups.items()
        if not rest or group == rest.strip(".") or (group and rest.endswith(f".{group}"))
    ]


def _near(name: str, resources: Sequence[Resource]) -> list[str]:
    head = name.lower().partition(".")[0]
    elsewhere = {r.name for r in resources if head in (*_names(r), *r.short_names)}
    if elsewhere:
        return sorted(elsewhere)[:5]
    similar = difflib.get_close_matches(name.lower(), {r.name for r in resources}, n=3)
    plurals = difflib.get_close_matches(head, {r.plural for r in resources}, n=3)
    return similar or sorted({r.name for r in resources if r.plural in plurals})
