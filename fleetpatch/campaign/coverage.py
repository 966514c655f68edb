"""Finds what a plan names and its run has no target for: clusters, namespaces and objects.

Such a name is often misspelled, or the object was deleted, so the preview lists them.
"""

from collections.abc import Iterator

import msgspec

from fleetpatch.campaign.integrity import plan_of
from fleetpatch.journal import queries
from fleetpatch.journal.runfile import RunFile
from fleetpatch.model.plan.targets import TargetBlock
from fleetpatch.model.resource import resources_named
from fleetpatch.rules.planning.namespaces import named

Place = tuple[str, str, str, str]


class MissingObject(msgspec.Struct, frozen=True):
    """An object that the plan names; `kind` is as the plan writes it, `namespace` may be empty."""

    cluster: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        place = f" in namespace {self.namespace}" if self.namespace else ""
        return f"{self.kind} {self.name}{place} of cluster {self.cluster}"


def missing_objects(journal: RunFile) -> list[MissingObject]:
    """List the objects that the plan names, and that the survey did not find."""
    blocks = [block for block in plan_of(journal).targets if block.names]
    if not blocks:
        return []
    names = {name for block in blocks for name in block.names}
    found = set(queries.named(journal, names))
    return [one for block in blocks for one in _missing(journal, block, found)]


def _missing(journal: RunFile, block: TargetBlock, found: set[Place]) -> Iterator[MissingObject]:
    anywhere = {(cluster, kind, "", name) for cluster, kind, _, name in found}
    for cluster in journal.clusters.values():
        for kind in block.kinds:
            # Resources without any target are not in the run file, so nothing of them was found.
            known = [one.name for one in resources_named(kind, list(journal.resources.values()))]
            # A name under a glob may be in any of the namespaces that it matches.
            for namespace in named(block.namespaces) or ("",):
                for name in block.names:
                    places = {(cluster, one, namespace, name) for one in known}
                    if places.isdisjoint(found if namespace else anywhere):
                        yield MissingObject(cluster, kind, namespace, name)
