"""Resolves the name of a kind to one resource of a server.

A name that several groups have is refused, while kubectl silently takes the first group: the counts
of a preview would not show that it is about the wrong kind of job.
"""

import difflib
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from fleetpatch.errors import ClusterError, UsageError
from fleetpatch.model.resource import Resource, resources_named

_NONE: Mapping[str, str] = MappingProxyType({})


def resolve(
    name: str, resources: Sequence[Resource], unavailable: Mapping[str, str] = _NONE
) -> Resource:
    """Return the resource that `name` means; of several versions of it, the first.

    `unavailable` maps each `group/version` that could not be read to the reason. Raises UsageError
    for a name of several resources, with a list of them, or of none, with similar names;
    ClusterError if an unavailable group may have it, even if another group has it, too.
    """
    found = resources_named(name, resources)
    # Refused even if other groups are unavailable: more groups cannot make it unambiguous.
    if len(found) > 1:
        candidates = ", ".join(sorted(resource.unambiguous_name for resource in found))
        raise UsageError(f"{name!r} is ambiguous; write one of these: {candidates}")
    missing = _candidates(name, unavailable)
    reasons = "; ".join(f"{entry}: {unavailable[entry]}" for entry in missing)
    if found:
        # A name with its group cannot be ambiguous, whatever the other groups have.
        if any(_group(entry) != found[0].group for entry in missing) and not _names_group(name):
            raise ClusterError(
                f"{name!r} may be ambiguous, since not all groups could be read ({reasons}); write"
                f" {found[0].unambiguous_name!r} if you mean that one"
            )
        return found[0]
    if missing:
        raise ClusterError(
            f"{name!r} is not found, but not all groups could be read ({reasons}); try again"
            " when they are available"
        )
    similar = _similar(name, resources)
    hint = f"did you mean {', '.join(similar)}?" if similar else "see `kubectl api-resources`"
    raise UsageError(f"{name!r} is not served, or cannot be listed and patched; {hint}")


def _candidates(name: str, unavailable: Mapping[str, str]) -> list[str]:
    """Return the group versions that could not be read and may have `name`."""
    # What follows the first dot may be a group, or a version and a group: jobs.v1.batch.
    rest = name.lower().partition(".")[2]
    groups = {entry: _group(entry) for entry in unavailable}
    return [
        entry
        for entry, group in groups.items()
        if not rest or group == rest.strip(".") or (group and rest.endswith(f".{group}"))
    ]


def _group(group_version: str) -> str:
    return group_version.rpartition("/")[0].lower()


def _names_group(name: str) -> bool:
    return bool(name.partition(".")[2])


def _similar(name: str, resources: Sequence[Resource]) -> list[str]:
    head = name.lower().partition(".")[0]
    # The name may be right and its group wrong.
    elsewhere = {r.name for r in resources if head in (*r.full_names, *r.short_names)}
    if elsewhere:
        return sorted(elsewhere)[:5]
    similar = difflib.get_close_matches(name.lower(), {r.name for r in resources}, n=3)
    if similar:
        return similar
    # The closest name first; kinds of one name by their groups.
    plurals = difflib.get_close_matches(head, {r.plural for r in resources}, n=3)
    found = sorted((plurals.index(r.plural), r.name) for r in resources if r.plural in plurals)
    return list(dict.fromkeys(name for _, name in found))
