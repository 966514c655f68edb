"""A plan's clusters, opened side by side."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from fleetpatch.campaign.settings import Settings
from fleetpatch.errors import RunFileError
from fleetpatch.kube.client import ApiServer
from fleetpatch.kube.opening import open_cluster
from fleetpatch.model.plan.schema import Plan
from fleetpatch.model.run import ClusterInfo


@asynccontextmanager
async def open_fleet(plan: Plan, settings: Settings) -> AsyncIterator[Sequence[ApiServer]]:
    """Open the clusters of `plan.fleet`, in its order; nothing is sent yet.

    Without a fleet it is the current context alone, called by the context's name. Raises
    KubeconfigError and CredentialsError.
    """
    contexts: list[tuple[str | None, str | None]]
    contexts = [(ref.name, ref.context) for ref in plan.fleet] or [(None, None)]
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                open_cluster(
                    name,
                    context,
                    clock=settings.clock,
                    concurrency=plan.pace.concurrency,
                    timeout=settings.request_timeout,
                )
            )
            for name, context in contexts
        ]


@asynccontextmanager
async def reopen_fleet(
    clusters: Sequence[ClusterInfo], plan: Plan, settings: Settings
) -> AsyncIterator[Sequence[ApiServer]]:
    """Open the clusters that a run was planned on, by the contexts it was planned with.

    Raises RunFileError where a context leads to another server than it did then.
    """
    async with AsyncExitStack() as stack:
        opened = []
        for info in clusters:
            server = await stack.enter_async_context(
                open_cluster(
                    info.name,
                    info.context or None,
                    clock=settings.clock,
                    concurrency=plan.pace.concurrency,
                    timeout=settings.request_timeout,
                )
            )
            if server.server != info.server:
                raise RunFileError(
                    f"cluster {info.name}: the run was planned on {info.server}, but the context "
                    f"{server.context} now leads to {server.server}; give the kubeconfig that the "
                    "run was planned with, or plan anew"
                )
            opened.append(server)
        yield opened
