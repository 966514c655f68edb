"""From the name of a kind to the one resource that it means on a server.

kubectl takes the first of several groups in silence; here that is refused, for a campaign over the
wrong kind of job cannot be told from the right one by its counts.
"""

import difflib
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from fleetpatch.errors import ClusterError, UsageError
from fleetpatch.model.resource import Resource, resources_named

_NOTHING: Mapping[str, str] = MappingProxyType({})


def resolve(
    name: str, resources: Sequence[Resource], unavailable: Mapping[str, str] = _NOTHING
) -> Resource:
    """Find what `name` means among `resources`, where of several versions the first counts.

    `unavailable` says for each `group/version` that could not be asked why. Raises UsageError for
    a name that means several resources, listing them, or none, with those near; ClusterError where
    it may be among the unavailable, also beside the one that was found.
    """
    found = resources_named(name, resources)
    if len(found) > 1:
        candidates = ", ".join(sorted(resource.unambiguous_name for resource in found))
        raise UsageError(f"{name!r} is ambiguous; write one of these: {candidates}")
    missing = _hiding(name, unavailable)
    reasons = "; ".join(f"{entry}: {unavailable[entry]}" for entry in missing)
    if found:
        if any(_group(entry) != found[0].group for entry in missing) and not _names_group(name):
            raise ClusterError(
                f"{name!r} may be ambiguous, for not all groups could be asked ({reasons}); write"
                f" {found[0].unambiguous_name!r} if you mean that one"
            )
        return found[0]
    if missing:
        raise ClusterError(f"{name!r} is not found, and not all groups could be asked ({reasons})")
    near = _near(name, resources)
    hint = f"did you mean {', '.join(near)}?" if near else "see `kubectl api-resources`"
    raise UsageError(f"{name!r} is not served, or cannot be listed and patched; {hint}")


def _hiding(name: str, unavailable: Mapping[str, str]) -> list[str]:
    """Name the group versions that could not be asked and may have `name`."""
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


def _near(name: str, resources: Sequence[Resource]) -> list[str]:
    head = name.lower().partition(".")[0]
    elsewhere = {r.name for r in resources if head in (*r.full_names, *r.short_names)}
    if elsewhere:
        return sorted(elsewhere)[:5]
    similar = difflib.get_close_matches(name.lower(), {r.name for r in resources}, n=3)
    plurals = difflib.get_close_matches(head, {r.plural for r in resources}, n=3)
    return similar or sorted({r.name for r in resources if r.plural in plurals})
