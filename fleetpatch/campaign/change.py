"""The change that a run makes.

A module of its own, so that commands that only read run files do not import the HTTP client.
"""

from collections.abc import Iterable

from fleetpatch.model.change import (
    BodyPatch,
    Change,
    PatchType,
    Restoration,
    merges_by_schema,
    reads_whole,
)
from fleetpatch.model.equality import has_null_entry, null_entries
from fleetpatch.model.fields import Path, show
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.resource import Resource
from fleetpatch.model.run import RunInfo
from fleetpatch.rules.patching.diff import uncertain_paths
from fleetpatch.rules.patching.merging import UNKNOWN, RunMerging, ServerMerging


def change_of(info: RunInfo, plan: Plan) -> Change:
    """Return what a run changes: its plan's patch, or the restoration of the run that it undoes."""
    change = plan.change()
    return Restoration(reads_whole(change)) if info.undo_of else change


def depends_on_version(change: Change) -> bool:
    """Return whether the result of a merge depends on the server's version."""
    if not isinstance(change, BodyPatch):
        return False
    # The schema of a kind depends on the version, as does the treatment of null entries.
    is_merge = change.type is PatchType.MERGE
    return merges_by_schema(change) or (is_merge and has_null_entry(change.body))


def undecided_of(change: Change, resources: Iterable[Resource], merging: RunMerging) -> list[str]:
    """List the fields, with their kinds, whose merge only the server can decide."""
    if not isinstance(change, BodyPatch):
        return []
    servers = list(merging.servers()) or [UNKNOWN]
    found = (
        f"{show(path)} of {resource.name}"
        for resource in resources
        for server in servers
        for path in _undecided(change, resource, server)
    )
    # Without duplicates, in order: several servers may merge alike.
    return list(dict.fromkeys(found))


def _undecided(change: BodyPatch, resource: Resource, server: ServerMerging) -> Iterable[Path]:
    if change.type is PatchType.MERGE:
        return () if server.release else null_entries(change.body)
    return uncertain_paths(change, server.rules(resource))
