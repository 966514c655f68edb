"""Open the clusters of a plan or of a run."""

from collections.abc import AsyncIterator, Mapping, Sequence
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
from fleetpatch.model.run import RunInfo

Missing: TypeAlias = Mapping[str, str]
"""Clusters that refuse the credentials, by name, with the error."""


@asynccontextmanager
async def open_fleet(plan: Plan, settings: Settings) -> AsyncIterator[Sequence[ApiServer]]:
    """Open the clusters of `plan.fleet`, in its order; nothing is sent but log-ins to IAM.

    Without a fleet it is the current context alone, called by the context's name. Raises
    KubeconfigError and CredentialsError.
    """
    names: list[str | None] = [ref.name for ref in plan.fleet] or [None]
    async with AsyncExitStack() as stack:
        yield [await _enter(stack, _open(name, plan, settings), settings) for name in names]


@asynccontextmanager
async def reopen_fleet(
    info: RunInfo, plan: Plan, settings: Settings
) -> AsyncIterator[tuple[Sequence[ApiServer], Missing]]:
    """Open the clusters that a run was planned on, as its plan leads to them now.

    Those that do not let us in are missing, as long as others do. Raises as `open_fleet` where all
    are, and UsageError where one is another server than it was then.
    """
    async with AsyncExitStack() as stack:
        opened: list[ApiServer] = []
        missing: dict[str, CredentialsError] = {}
        for cluster in info.clusters:
            try:
                server = await _enter(stack, _open(cluster.name, plan, settings), settings)
            except CredentialsError as error:
                missing[cluster.name] = error
                continue
            planned = Server(normalized(cluster.server), route=cluster.route)
            found = Server(normalized(server.server), route=server.route)
            if planned != found:
                raise wrong_server_error(info.run, cluster.name, cluster.context, planned, found)
            opened.append(server)
        # With no cluster left there is nothing to do: the first error is the run's.
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


def _open(
    name: str | None, plan: Plan, settings: Settings
) -> AbstractAsyncContextManager[ApiServer]:
    """Open one cluster: by the plan's server and auth if it is CCI, else by its context."""
    clock, timeout, concurrency = settings.clock, settings.request_timeout, plan.pace.in_flight
    ref = next((ref for ref in plan.fleet if ref.name == name), None)
    match ref:
        case ClusterRef(provider="cci", server=str(server), auth=Auth() as auth):
            opening = partial(open_cci, ref.name, server, auth)
        case ClusterRef(provider="cci"):
            raise AssertionError("a plan's checks let no CCI through without server and auth")
        case _:
            opening = partial(open_cluster, name, ref.context if ref else None)
    return opening(clock=clock, concurrency=concurrency, timeout=timeout)
