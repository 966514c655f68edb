"""From a kubeconfig context to a client that is ready."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fleetpatch.kube import kubeconfig
from fleetpatch.kube.client import ApiServer
from fleetpatch.model.ports import Clock


@asynccontextmanager
async def open_cluster(
    name: str | None = None,
    context: str | None = None,
    *,
    clock: Clock,
    concurrency: int = 32,
    timeout: float = 30.0,  # noqa: ASYNC109 - seconds for each request, not for this function
) -> AsyncIterator[ApiServer]:
    """Open the cluster that the fleet calls `name`, by a context or the current one.

    Without a name it is called as its context is.

    Nothing is sent yet. Raises KubeconfigError and CredentialsError.
    """
    connection = await kubeconfig.load(context)
    async with ApiServer(
        name or connection.context,
        connection,
        clock=clock,
        concurrency=concurrency,
        timeout=timeout,
    ) as server:
        yield server
