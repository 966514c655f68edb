"""Resolves the kinds of a plan on all clusters, and checks them against their providers."""

from collections.abc import Mapping, Sequence

from fleetpatch.campaign.clusters import ReadCluster
from fleetpatch.campaign.planning.reach import Reach
from fleetpatch.campaign.targets import look_up_kinds
from fleetpatch.model.plan.checks.provider import Unresolved
from fleetpatch.model.plan.load import PlanFile
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.providers.capability import ProviderName
from fleetpatch.model.resource import Resource


async def resolve_kinds(
    source: PlanFile, clusters: Sequence[ReadCluster], reach: Reach, *, dry_run: bool
) -> Mapping[str, Mapping[str, Resource]]:
    """Resolve the plan's kinds on each cluster. Raises PlanError with all that are wrong."""
    waves = source.plan.waves
    # Those of the check as well: otherwise a wrong one would halt the run after its first wave.
    checked = waves.check.kinds if waves and waves.check else ()
    blocks = source.plan.targets
    selected = (name for block in blocks for name in (*block.kinds, *block.dependents))
    names = dict.fromkeys((*selected, *checked))
    kinds: dict[str, Mapping[str, Resource]] = {}
    unresolved: list[Unresolved] = []
    for cluster in clusters:
        with reach.of(cluster):
            kinds[cluster.name], wrong = await look_up_kinds(cluster, names)
            unresolved.append((cluster.name, wrong))
    # Discovery has shown the resources: the provider's table can be checked before any list.
    source.refuse_unsupported(
        [
            (provider, kinds[cluster.name])
            for cluster, provider in zip(clusters, _providers(source.plan), strict=True)
            if cluster.name in kinds
        ],
        unresolved,
        dry_run=dry_run,
    )
    return kinds


def _providers(plan: Plan) -> list[ProviderName]:
    """Return the provider of each cluster, in the fleet's order."""
    return [ref.provider for ref in plan.fleet] or [ProviderName.KUBERNETES]
