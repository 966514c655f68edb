"""Opens clients of API servers, by a kubeconfig context or by the `auth` of a plan."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from msgspec.structs import replace

from fleetpatch.kube.client import ApiServer
from fleetpatch.kube.kubeconfig.connect import connect_to_context
from fleetpatch.model.plan.auth import Auth
from fleetpatch.model.ports import Clock
from fleetpatch.model.providers.capability import ProviderName


@asynccontextmanager
async def open_cluster(
    *,
    name: str | None = None,
    context: str | None = None,
    provider: ProviderName = ProviderName.KUBERNETES,
    clock: Clock,
    concurrency: int,
    timeout: float,  # noqa: ASYNC109 - seconds for each request, not for this function
    run: str,
) -> AsyncIterator[ApiServer]:
    """Open the cluster of a kubeconfig context, by default the current one.

    `name` is the fleet's name for it, by default the name of its context. `run` is the run that
    the requests are for, which their User-Agent names. No request is sent to the
    API server. Raises KubeconfigError and CredentialsError.
    """
    connection = await connect_to_context(context, now=clock.wall)
    connection = replace(connection, provider=provider)  # which no kubeconfig names
    async with ApiServer(
        name or connection.context,
        connection,
        clock=clock,
        concurrency=concurrency,
        timeout=timeout,
        run=run,
    ) as server:
        yield server


@asynccontextmanager
async def open_cci(
    name: str,
    server: str,
    auth: Auth,
    *,
    clock: Clock,
    concurrency: int,
    timeout: float,  # noqa: ASYNC109 - seconds for each request, not for this function
    run: str,
    environ: Mapping[str, str] = os.environ,
) -> AsyncIterator[ApiServer]:
    """Open the cluster of CCI that the fleet calls `name`, at the URL `server`.

    No request is sent, except to IAM if `auth` names it. Raises CredentialsError, and
    KubeconfigError for a proxy that cannot be used.
    """
    # Deferred: only clusters of this provider need its log-ins.
    from fleetpatch.kube.cci.connect import connect_to_cci  # noqa: PLC0415 - see above

    connection = await connect_to_cci(name, server, auth, clock=clock, environ=environ, run=run)
    async with ApiServer(
        name, connection, clock=clock, concurrency=concurrency, timeout=timeout, run=run
    ) as opened:
        yield opened
