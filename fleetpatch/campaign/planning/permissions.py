"""Finds the permissions that a plan needs on each cluster of its fleet."""

from collections.abc import Mapping, Sequence

from fleetpatch.campaign.expressions import reads_namespaces
from fleetpatch.campaign.fleet import open_fleet
from fleetpatch.campaign.planning.kinds import resolve_kinds
from fleetpatch.campaign.planning.reach import Reach
from fleetpatch.campaign.settings import Settings
from fleetpatch.model.plan.load import PlanFile
from fleetpatch.rules.planning.permissions import Permission, permissions


async def permissions_of(
    source: PlanFile, settings: Settings
) -> Mapping[str, tuple[Permission, ...]]:
    """Return what the plan needs on each cluster, by name, in the fleet's order.

    Only discovery is requested. Raises PlanError if kinds are not served, ClusterError,
    CredentialsError and KubeconfigError.
    """
    plan = source.plan
    async with open_fleet(plan, settings, run="") as clusters:
        kinds = await resolve_kinds(source, clusters, Reach(plan), dry_run=False)
        return {
            cluster.name: permissions(
                plan,
                kinds[cluster.name],
                holds_lease=position == 0,
                listed=_namespaces(source, cluster.name),
                reads_namespaces=reads_namespaces(plan, source.tables),
            )
            for position, cluster in enumerate(clusters)
            if cluster.name in kinds
        }


def _namespaces(source: PlanFile, cluster: str) -> Mapping[int, Sequence[str]]:
    """Return the namespaces of the plan's lists of objects on a cluster, by block."""
    return {
        position: sorted({one.namespace for one in listed.objects if one.cluster in {"", cluster}})
        for position, listed in source.objects.items()
    }
