"""Lists the objects that a plan selects, with their metadata; nothing is planned or recorded."""

from collections.abc import Iterator, Sequence

from fleetpatch.campaign.fleet import open_fleet
from fleetpatch.campaign.settings import Settings
from fleetpatch.campaign.targets import kinds_of, list_queries_of
from fleetpatch.engine.survey import ListQuery
from fleetpatch.kube.client import ApiServer
from fleetpatch.model.plan.schema import Plan
from fleetpatch.report.objects import ListedObject


async def list_objects(plan: Plan, settings: Settings) -> tuple[list[ListedObject], list[str]]:
    """List the objects of all clusters, each once, and describe the names that were not found.

    Raises as `open_fleet`, UsageError for kinds that are not served, and ClusterError.
    """
    names = list(dict.fromkeys(name for block in plan.targets for name in block.kinds))
    found: list[ListedObject] = []
    missing: list[str] = []
    async with open_fleet(plan, settings, run="list") as clusters:
        for cluster in clusters:
            kinds = await kinds_of(cluster, names)
            queries = await list_queries_of(plan, cluster, kinds)
            here = [one for query in queries for one in await _listed(cluster, query)]
            # An object may be selected by several blocks.
            found += {one.uid: one for one in here}.values()
            have = {(one.resource, one.name) for one in here}
            missing += _missing(plan, cluster, queries, {(kind.name, name) for kind, name in have})
    order = {cluster.name: position for position, cluster in enumerate(clusters)}
    found.sort(key=lambda one: (order[one.cluster], one.resource.name, one.namespace, one.name))
    return found, missing


async def _listed(cluster: ApiServer, query: ListQuery) -> list[ListedObject]:
    pages = cluster.pages(
        query.resource,
        namespace=query.namespace,
        selector=query.selector,
        field_selector=query.field_selector,
        whole=False,
    )
    return [
        ListedObject(
            cluster.name,
            query.resource,
            seen.namespace,
            seen.name,
            seen.uid,
            seen.labels,
            seen.annotations,
        )
        async for page in pages
        for seen in page.items
    ]


def _missing(
    plan: Plan, cluster: ApiServer, queries: Sequence[ListQuery], found: set[tuple[str, str]]
) -> Iterator[str]:
    kinds = {query.block: query.resource for query in queries}
    for position, block in enumerate(plan.targets):
        for name in block.names:
            if position in kinds and (kinds[position].name, name) not in found:
                yield f"{kinds[position].name} {name} was not found in cluster {cluster.name}"
