"""A plan's clusters, opened side by side."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TypeAlias

from fleetpatch.campaign.settings import Settings
from fleetpatch.errors import CredentialsError, RunFileError
from fleetpatch.kube.client import ApiServer
from fleetpatch.kube.opening import open_cci, open_cluster
from fleetpatch.model.plan.auth import Auth
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.plan.targets import ClusterRef
from fleetpatch.model.run import ClusterInfo

Missing: TypeAlias = Mapping[str, str]
"""Clusters that do not let us in, by name, and why."""


@asynccontextmanager
async def open_fleet(plan: Plan, settings: Settings) -> AsyncIterator[Sequence[ApiServer]]:
    """Open the clusters of `plan.fleet`, in its order; nothing is sent yet, but log-ins to IAM.

    Without a fleet it is the current context alone, called by the context's name. Raises
    KubeconfigError and CredentialsError.
    """
    clusters: list[tuple[str | None, str | None]]
    clusters = [(ref.name, ref.context) for ref in plan.fleet] or [(None, None)]
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(_open(name, context, plan, settings))
            for name, context in clusters
        ]


@asynccontextmanager
async def reopen_fleet(
    clusters: Sequence[ClusterInfo], plan: Plan, settings: Settings
) -> AsyncIterator[tuple[Sequence[ApiServer], Missing]]:
    """Open the clusters that a run was planned on: by their contexts, or as the plan has them.

    Those that do not let us in are missing, as long as others do. Raises as `open_fleet` where all
    are, and RunFileError where one leads to another server than it did then.
    """
    async with AsyncExitStack() as stack:
        opened: list[ApiServer] = []
        missing: dict[str, CredentialsError] = {}
        for info in clusters:
            try:
                opening = _open(info.name, info.context or None, plan, settings)
                server = await stack.enter_async_context(opening)
            except CredentialsError as error:
                missing[info.name] = error
                continue
            if server.server != info.server:
                raise _elsewhere(info, server)
            opened.append(server)
        if missing and not opened:
            raise next(iter(missing.values()))
        yield opened, {name: str(error) for name, error in missing.items()}


def _open(
    name: str | None, context: str | None, plan: Plan, settings: Settings
) -> AbstractAsyncContextManager[ApiServer]:
    """Open one cluster: as the plan has it where that is CCI, else by its context."""
    clock, timeout, concurrency = settings.clock, settings.request_timeout, plan.pace.in_flight
    ref = next((ref for ref in plan.fleet if ref.name == name), None)
    match ref:
        case ClusterRef(provider="cci", server=str(server), auth=Auth() as auth):
            opening = partial(open_cci, ref.name, server, auth)
        case ClusterRef(provider="cci"):
            raise AssertionError("a plan's checks let no CCI through without server and auth")
        case _:
            opening = partial(open_cluster, name, context)
    return opening(clock=clock, concurrency=concurrency, timeout=timeout)


def _elsewhere(info: ClusterInfo, server: ApiServer) -> RunFileError:
    led = f"the context {server.context} now leads" if server.context else "the plan now leads"
    return RunFileError(
        f"cluster {info.name}: the run was planned on {info.server}, but {led} to {server.server};"
        " give the kubeconfig that the run was planned with, or plan anew"
    )
