"""Opens the clusters of a plan or of a run."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TypeAlias

from fleetpatch.campaign.servers import Server, wrong_server_error
from fleetpatch.campaign.settings import Settings
from fleetpatch.errors import CredentialsError
from fleetpatch.kube.client import ApiServer
from fleetpatch.kube.connect import open_cci, open_cluster
from fleetpatch.model.addresses import normalized
from fleetpatch.model.plan.auth import Auth
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.plan.targets import ClusterRef
from fleetpatch.model.providers.capability import ProviderName
from fleetpatch.model.run import RunInfo

Missing: TypeAlias = Mapping[str, str]
"""Clusters that refuse the credentials, by name, with the error."""


@asynccontextmanager
async def open_fleet(
    plan: Plan, settings: Settings, *, run: str
) -> AsyncIterator[Sequence[ApiServer]]:
    """Open the clusters of `plan.fleet`, in its order. Only log-ins to IAM are sent.

    Requests name the run `run` as their User-Agent.
    Without a fleet that is the current context, under its own name. Raises KubeconfigError and
    CredentialsError.
    """
    names: list[str | None] = [ref.name for ref in plan.fleet] or [None]
    async with AsyncExitStack() as stack:
        yield [await _enter(stack, open_one(name, plan, settings, run), settings) for name in names]


@asynccontextmanager
async def reopen_fleet(
    info: RunInfo, plan: Plan, settings: Settings, only: Collection[str] | None = None
) -> AsyncIterator[tuple[Sequence[ApiServer], Missing]]:
    """Open the clusters that a run was planned on, by the addresses that its plan has now.

    With `only`, the clusters with these names.
    Clusters that refuse the credentials are missing, unless all do. Raises as `open_fleet` if all
    are missing, and UsageError if a cluster is not the server that it was when planned.
    """
    async with AsyncExitStack() as stack:
        opened: list[ApiServer] = []
        missing: dict[str, CredentialsError] = {}
        for cluster in info.clusters:
            if cluster.missing:  # the run has no targets of it
                continue
            if only is not None and cluster.name not in only:
                continue
            try:
                server = await _enter(
                    stack, open_one(cluster.name, plan, settings, info.run), settings
                )
            except CredentialsError as error:
                missing[cluster.name] = error
                continue
            # Before any request: a context may lead to another server than it did.
            planned = Server(normalized(cluster.server), route=cluster.route)
            found = Server(normalized(server.server), route=server.route)
            if planned != found:
                raise wrong_server_error(info.run, cluster.name, cluster.context, planned, found)
            opened.append(server)
        # Without any cluster nothing can be done, so the first error is that of the run.
        if missing and not opened:
            raise next(iter(missing.values()))
        yield opened, {name: str(error) for name, error in missing.items()}


async def _enter(
    stack: AsyncExitStack, opening: AbstractAsyncContextManager[ApiServer], settings: Settings
) -> ApiServer:
    """Open a cluster until `stack` ends, and pass on the warnings about its kubeconfig."""
    server = await stack.enter_async_context(opening)
    for warning in server.kubeconfig_warnings:
        settings.warn(warning)
    if server.insecure:
        settings.warn(
            f"cluster {server.name} ({server.server}): insecure-skip-tls-verify is on:"
            " anyone on the network path can read the credentials and answer in the server's place"
        )
    return server


def open_one(
    name: str | None, plan: Plan, settings: Settings, run: str
) -> AbstractAsyncContextManager[ApiServer]:
    """Open one cluster: by the plan's server and auth if it is CCI, else by its context.

    `name` None is the current context. Raises as `open_fleet`.
    """
    clock, timeout, concurrency = settings.clock, settings.request_timeout, plan.pace.in_flight
    ref = next((ref for ref in plan.fleet if ref.name == name), None)
    match ref:
        case ClusterRef(provider=ProviderName.CCI, server=str(server), auth=Auth() as auth):
            opening = partial(open_cci, ref.name, server, auth)
        case ClusterRef(provider=ProviderName.CCI):
            raise AssertionError("the checks of a plan require server and auth for CCI")
        case ClusterRef(context=context, provider=provider):
            opening = partial(open_cluster, name=name, context=context, provider=provider)
        case None:
            opening = partial(open_cluster, name=name)
    return opening(clock=clock, concurrency=concurrency, timeout=timeout, run=run)
