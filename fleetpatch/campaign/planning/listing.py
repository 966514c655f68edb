"""Lists the objects that a plan selects, with their metadata; nothing is planned or recorded."""

from collections.abc import Iterator, Sequence

from fleetpatch.campaign.fleet import open_fleet
from fleetpatch.campaign.settings import Settings
from fleetpatch.campaign.targets import kinds_of, list_queries_of
from fleetpatch.engine.survey import ListQuery
from fleetpatch.kube.client import ApiServer
from fleetpatch.model.plan.load import PlanFile
from fleetpatch.model.plan.schema import Plan
from fleetpatch.report.objects import ListedObject


async def list_objects(
    source: PlanFile, settings: Settings
) -> tuple[list[ListedObject], list[str]]:
    """List the objects of all clusters, each once, and describe the names that were not found.

    Raises as `open_fleet`, UsageError for kinds that are not served, and ClusterError.
    """
    plan = source.plan
    names = list(dict.fromkeys(name for block in plan.targets for name in block.kinds))
    found: list[ListedObject] = []
    missing: list[str] = []
    async with open_fleet(plan, settings, run="list") as clusters:
        for cluster in clusters:
            kinds = await kinds_of(cluster, names)
            queries = await list_queries_of(plan, cluster, kinds, source.objects)
            here = [one for query in queries for one in await _listed(cluster, query)]
            # An object may be selected by several blocks.
            found += {one.uid: one for one in here}.values()
            have = {(one.resource, one.name) for one in here}
            missing += _missing(plan, cluster, queries, {(kind.name, name) for kind, name in have})
    missing += _missing_of_lists(source, found)
    order = {cluster.name: position for position, cluster in enumerate(clusters)}
    found.sort(key=lambda one: (order[one.cluster], one.resource.name, one.namespace, one.name))
    return found, missing


async def _listed(cluster: ApiServer, query: ListQuery) -> list[ListedObject]:
    found: list[ListedObject] = []
    for field_selector in query.field_selectors:
        pages = cluster.pages(
            query.resource,
            namespace=query.namespace,
            selector=query.selector,
            field_selector=field_selector,
            whole=False,
        )
        found += [
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
            if query.wants(seen)
        ]
    return found


def _missing(
    plan: Plan, cluster: ApiServer, queries: Sequence[ListQuery], found: set[tuple[str, str]]
) -> Iterator[str]:
    kinds = {query.block: query.resource for query in queries}
    for position, block in enumerate(plan.targets):
        for name in block.names:
            if position in kinds and (kinds[position].name, name) not in found:
                yield f"{kinds[position].name} {name} was not found in cluster {cluster.name}"


def _missing_of_lists(source: PlanFile, found: Sequence[ListedObject]) -> Iterator[str]:
    """Describe the entries of lists of objects that no cluster has."""
    have = {(one.cluster, one.namespace, one.name) for one in found}
    anywhere = {(namespace, name) for _, namespace, name in have}
    for listed in source.objects.values():
        for one in listed.objects:
            key = (one.cluster, one.namespace, one.name)
            if key not in have and (one.cluster or key[1:] not in anywhere):
                yield f"{listed.described(one)} was not found"
