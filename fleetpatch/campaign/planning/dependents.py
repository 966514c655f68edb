"""The kinds and namespaces in which dependents are looked for (`targets[].dependents`)."""

from collections.abc import Mapping

from fleetpatch.campaign.clusters import ReadCluster
from fleetpatch.campaign.targets import namespaces_of
from fleetpatch.engine.dependents import Dependents
from fleetpatch.model.plan.load import PlanFile
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.resource import Resource


def blocks_with_dependents(plan: Plan) -> list[int]:
    """Return the positions of the blocks whose objects' dependents are targets, too."""
    return [position for position, block in enumerate(plan.targets) if block.dependents]


async def dependents_of(
    source: PlanFile, cluster: ReadCluster, kinds: Mapping[str, Resource]
) -> Dependents | None:
    """Return what to look for on a cluster; None without dependents. Raises as `namespaces_of`."""
    plan = source.plan
    wanted: dict[int, list[Resource]] = {}
    spaces: set[str | None] = set()
    for position in blocks_with_dependents(plan):
        block = plan.targets[position]
        wanted[position] = list(dict.fromkeys(kinds[name] for name in block.dependents))
        if not all(kinds[name].namespaced for name in block.kinds):
            # What a cluster-scoped object owns may be in any namespace.
            spaces.add(None)
        elif position in source.objects:
            listed = source.objects[position].objects
            spaces.update(one.namespace for one in listed if one.cluster in {"", cluster.name})
        else:
            spaces.update(await namespaces_of(cluster, block.namespaces))
    if not wanted:
        return None
    namespaces = [None] if None in spaces else sorted(filter(None, spaces))
    return Dependents(cluster, wanted, namespaces)
