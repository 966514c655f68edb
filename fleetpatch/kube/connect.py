"""From a kubeconfig context, or from what a plan says about CCI, to a client that is ready."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from fleetpatch.kube.cci.connect import connect_to_cci
from fleetpatch.kube.client import ApiServer
from fleetpatch.kube.kubeconfig.connect import connect_to_context
from fleetpatch.model.plan.auth import Auth
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
    connection = await connect_to_context(context, wall=clock.wall)
    async with ApiServer(
        name or connection.context,
        connection,
        clock=clock,
        concurrency=concurrency,
        timeout=timeout,
    ) as server:
        yield server


@asynccontextmanager
async def open_cci(
    name: str,
    server: str,
    auth: Auth,
    *,
    clock: Clock,
    concurrency: int = 32,
    timeout: float = 30.0,  # noqa: ASYNC109 - seconds for each request, not for this function
    environ: Mapping[str, str] = os.environ,
) -> AsyncIterator[ApiServer]:
    """Open the cluster of CCI that the fleet calls `name`, at the URL `server`.

    Nothing is sent yet, but to IAM where that hands out the token. Raises CredentialsError.
    """
    connection = await connect_to_cci(name, server, auth, clock=clock, environ=environ)
    async with ApiServer(
        name, connection, clock=clock, concurrency=concurrency, timeout=timeout
    ) as opened:
        yield opened
