"""Resolves the kinds and namespaces of a plan on one cluster, and makes list queries of them."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from fleetpatch.engine.survey import ListQuery
from fleetpatch.errors import UsageError
from fleetpatch.kube.client import ApiServer
from fleetpatch.kube.resolve import resolve
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.resource import Resource, groups_named
from fleetpatch.rules.planning.namespaces import exact, select


async def kinds_of(cluster: ApiServer, names: Sequence[str]) -> Mapping[str, Resource]:
    """Resolve the names of kinds; all groups are discovered only if a name needs it.

    Raises UsageError, ClusterError and CredentialsError.
    """
    groups = groups_named(names)
    if groups is not None:
        served = await cluster.resources(groups)
        with suppress(UsageError):  # with all groups the error can name similar kinds
            return {name: resolve(name, served, cluster.unavailable) for name in names}
    served = await cluster.resources()
    return {name: resolve(name, served, cluster.unavailable) for name in names}


async def namespaces_of(cluster: ApiServer, patterns: Sequence[str]) -> Sequence[str | None]:
    """Return the namespaces that match `patterns`, or None for all at once.

    They are listed only if a pattern needs it. Raises ClusterError and CredentialsError.
    """
    if not patterns:
        return [None]
    return exact(patterns) or select(patterns, await cluster.namespaces())


async def list_queries_of(
    plan: Plan, cluster: ApiServer, kinds: Mapping[str, Resource]
) -> list[ListQuery]:
    """Return the list queries for one cluster, in a fixed order. Raises as `namespaces_of`."""
    list_queries = []
    for position, block in enumerate(plan.targets):
        namespaces = await namespaces_of(cluster, block.namespaces)
        for name in block.kinds:
            list_queries += [
                ListQuery(
                    cluster,
                    position,
                    kinds[name],
                    namespace,
                    str(block.selector),
                    str(block.field_selector),
                )
                for namespace in namespaces
            ]
    return list_queries
