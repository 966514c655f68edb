"""Resolves the kinds and namespaces of a plan on one cluster, and makes list queries of them."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from fleetpatch.campaign.clusters import ReadCluster
from fleetpatch.engine.survey import ListQuery
from fleetpatch.errors import UsageError
from fleetpatch.kube.resolve import resolve
from fleetpatch.model.plan.objects import ReadList
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.plan.targets import TargetBlock
from fleetpatch.model.resource import Resource, groups_named
from fleetpatch.rules.planning.namespaces import exact, select


async def look_up_kinds(
    cluster: ReadCluster, names: Collection[str]
) -> tuple[Mapping[str, Resource], Mapping[str, str]]:
    """Resolve the names of kinds; all groups are discovered only if a name needs it.

    Returns the resources by name, and for each of the other names what is wrong with it. Raises
    ClusterError and CredentialsError.
    """
    groups = groups_named(names)
    if groups is not None:
        found, wrong = _resolve_each(names, await cluster.resources(groups), cluster.unavailable)
        if not wrong:
            return found, wrong
    # With all groups an error can name similar kinds.
    return _resolve_each(names, await cluster.resources(), cluster.unavailable)


def _resolve_each(
    names: Collection[str], served: Sequence[Resource], unavailable: Mapping[str, str]
) -> tuple[dict[str, Resource], dict[str, str]]:
    found: dict[str, Resource] = {}
    wrong: dict[str, str] = {}
    for name in names:
        try:
            found[name] = resolve(name, served, unavailable)
        except UsageError as error:
            wrong[name] = str(error)
    return found, wrong


async def kinds_of(cluster: ReadCluster, names: Collection[str]) -> Mapping[str, Resource]:
    """Resolve the names of kinds. Raises as `look_up_kinds`, and UsageError for wrong names."""
    found, wrong = await look_up_kinds(cluster, names)
    if wrong:
        raise UsageError("; ".join(wrong.values()))
    return found


async def namespaces_of(cluster: ReadCluster, patterns: Sequence[str]) -> Sequence[str | None]:
    """Return the namespaces that match `patterns`, or None for all at once.

    They are listed only if a pattern needs it. Raises ClusterError and CredentialsError.
    """
    if not patterns:
        return [None]
    return exact(patterns) or select(patterns, await cluster.namespaces())


async def list_queries_of(
    plan: Plan,
    cluster: ReadCluster,
    kinds: Mapping[str, Resource],
    lists: Mapping[int, ReadList],
) -> list[ListQuery]:
    """Return the list queries for one cluster, in a fixed order. Raises as `namespaces_of`.

    `lists` are the lists of objects of the plan's blocks.
    """
    list_queries = []
    for position, block in enumerate(plan.targets):
        if position in lists:
            list_queries += _queries_of_list(cluster, position, block, kinds, lists[position])
            continue
        namespaces = await namespaces_of(cluster, block.namespaces)
        for name in block.kinds:
            list_queries += [
                ListQuery(
                    cluster,
                    position,
                    kinds[name],
                    namespace,
                    str(block.selector),
                    str(field_selector),
                )
                for namespace in namespaces
                for field_selector in block.field_selectors
            ]
    return list_queries


def _queries_of_list(
    cluster: ReadCluster,
    position: int,
    block: TargetBlock,
    kinds: Mapping[str, Resource],
    listed: ReadList,
) -> list[ListQuery]:
    """Return a query for each kind in each namespace of a list; `position` is that of its block."""
    names: defaultdict[str, set[str]] = defaultdict(set)
    for one in listed.objects:
        if one.cluster in {"", cluster.name}:
            names[one.namespace].add(one.name)
    return [
        ListQuery(
            cluster,
            position,
            kinds[kind],
            namespace,
            str(block.selector),
            str(block.field_selector),
            frozenset(names[namespace]),
        )
        for kind in block.kinds
        for namespace in sorted(names)
    ]
