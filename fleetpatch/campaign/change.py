"""The change that a run makes.

A module of its own, so that commands that only read run files do not import the HTTP client.
"""

from collections.abc import Iterable

from fleetpatch.model.change import BodyPatch, Change, PatchType, Restoration, reads_whole
from fleetpatch.model.equality import has_null_entry, null_entries
from fleetpatch.model.fields import Path, show
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.resource import Resource
from fleetpatch.model.run import RunInfo
from fleetpatch.rules.patching.merge_rules import merge_rules, undecided


def change_of(info: RunInfo, plan: Plan) -> Change:
    """Return what a run changes: its plan's patch, or the restoration of the run that it undoes."""
    change = plan.change()
    return Restoration(reads_whole(change)) if info.undo_of else change


# A server merges these by the schema of the kind, which its version determines.
_MERGED_BY_SCHEMA = frozenset({PatchType.STRATEGIC, PatchType.APPLY})


def depends_on_version(change: Change) -> bool:
    """Return whether the result of a merge depends on the server's version."""
    if not isinstance(change, BodyPatch):
        return False
    is_merge = change.type is PatchType.MERGE
    return merges_by_schema(change) or (is_merge and has_null_entry(change.body))


def merges_by_schema(change: Change) -> bool:
    """Return whether the schema of a kind decides how the change merges."""
    return isinstance(change, BodyPatch) and change.type in _MERGED_BY_SCHEMA


def undecided_of(
    change: Change, resources: Iterable[Resource], releases: Iterable[str]
) -> list[str]:
    """List the fields, with their kinds, whose merge only the server can decide.

    `releases` are the versions of the servers ("1.20"), empty if a version is not known.
    """
    if not isinstance(change, BodyPatch):
        return []
    found = (
        f"{show(path)} of {resource.name}"
        for resource in resources
        for release in sorted(set(releases)) or [""]
        for path in _undecided(change, resource, release)
    )
    # Without duplicates, in order: several servers may have the same version.
    return list(dict.fromkeys(found))


def _undecided(change: BodyPatch, resource: Resource, release: str) -> Iterable[Path]:
    match change.type:
        case PatchType.STRATEGIC | PatchType.APPLY:
            by_apply = change.type is PatchType.APPLY
            return undecided(change.body, merge_rules(resource, release), by_apply=by_apply)
        case PatchType.MERGE:
            return () if release else null_entries(change.body)
        case PatchType.JSON:
            return ()
