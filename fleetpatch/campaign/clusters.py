"""A cluster as planning reads it, here or by workers; and the clusters of a plan or a run."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from fleetpatch.campaign.fleet import open_fleet, reopen_fleet
from fleetpatch.campaign.settings import Settings
from fleetpatch.campaign.tables import encoded
from fleetpatch.kube.http.server_warnings import ServerWarnings
from fleetpatch.model.answer import Reply
from fleetpatch.model.fields import Json
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.plan.tables.table import Table
from fleetpatch.model.ports import ListedCluster
from fleetpatch.model.resource import Resource
from fleetpatch.model.run import RunInfo
from fleetpatch.model.target import Target
from fleetpatch.rules.patching.merging import ServerMerging


class ReadCluster(ListedCluster, Protocol):
    """An API server that is only read; `ApiServer` documents attributes and methods."""

    context: str
    route: str
    insecure: bool
    requests: dict[str, int]
    unavailable: dict[str, str]

    @property
    def kubeconfig_warnings(self) -> Sequence[str]:
        """What the kubeconfig has and is ignored, a line each."""
        ...

    @property
    def warnings(self) -> ServerWarnings:
        """The warnings of the server so far."""
        ...

    async def resources(self, groups: Collection[str] | None = None) -> Sequence[Resource]:
        """Discover what can be listed and patched."""
        ...

    async def namespace_objects(self) -> Mapping[str, Json]:
        """Return all namespaces by name."""
        ...

    async def merging(self, kinds: Sequence[Resource] = ()) -> ServerMerging:
        """Return what is known of how the server merges `kinds`."""
        ...

    async def get_with_retries(self, target: Target, *, whole: bool = False) -> Reply:
        """GET the object."""
        ...


@asynccontextmanager
async def clusters_to_plan(
    info: RunInfo, plan: Plan, settings: Settings, tables: Mapping[str, Table]
) -> AsyncIterator[Sequence[ReadCluster]]:
    """Open the clusters of a plan, in the fleet's order; workers have its tables, then.

    Raises as `open_fleet`.
    """
    if settings.workers is None:
        async with open_fleet(plan, settings, run=info.run) as here:
            yield here
        return
    async with settings.workers.reading(info, settings, encoded(tables)) as remote:
        yield remote


@asynccontextmanager
async def clusters_of_run(
    info: RunInfo, plan: Plan, settings: Settings
) -> AsyncIterator[Sequence[ReadCluster]]:
    """Open the clusters of a run, to read its objects. Raises as `reopen_fleet`."""
    if settings.workers is None:
        async with reopen_fleet(info, plan, settings) as (here, _):
            yield here
        return
    async with settings.workers.reading(info, settings) as remote:
        yield remote
