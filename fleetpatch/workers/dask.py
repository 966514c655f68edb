"""The only module that uses Dask: its scheduler, its worker processes and its connections.

Dask starts a function on each worker and says which workers there are. All else goes directly
between the workers and the coordinator, by connections of Dask with the TLS of the Dask cluster.
No task is submitted, so nothing of a run is shown by a dashboard or kept by the scheduler.

Dask's own log is not shown: what the operator should know is said by messages of fleetpatch.
"""

import logging
import warnings
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Self

import anyio
import dask.config
from distributed import Client, LocalCluster
from distributed.comm import Comm, connect, listen, parse_address
from distributed.comm.addressing import get_address_host
from distributed.security import Security
from distributed.utils import get_ip

from fleetpatch.errors import UnreachableError
from fleetpatch.workers.channel import DisconnectedError

_ROLE: Final = "client"
"""The role of the coordinator in Dask's TLS settings (`distributed.comm.tls.client`)."""

_CONNECT: Final = 10.0
"""Seconds to connect to a scheduler, and for each of its answers."""

_CLOSE: Final = 3.0
"""Seconds to take leave of a scheduler, which may be dead."""

_SETTINGS: Final = {
    # Threads that sample the stacks of a worker would take CPU from its requests.
    "distributed.worker.profile.enabled": False,
    # Dask starts HTTP servers even without a dashboard; these have nothing to serve.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}


def keep_quiet() -> None:
    """Keep the logs of Dask, tornado and asyncio from the terminal."""
    for name in ("distributed", "tornado", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers = [logging.NullHandler()]
        logger.propagate = False
    for name, child in logging.root.manager.loggerDict.items():
        if name.startswith("distributed.") and isinstance(child, logging.Logger):
            child.handlers = []


class DaskChannel:
    """Implements the port `Channel` by a connection of Dask."""

    def __init__(self, comm: Comm) -> None:
        self._comm = comm
        self._writing = anyio.Lock()

    async def send(self, body: bytes) -> None:
        """Send one message. Raises DisconnectedError."""
        async with self._writing:
            try:
                await self._comm.write(body)
            except OSError as error:
                raise DisconnectedError(str(error)) from error

    async def receive(self) -> bytes:
        """Wait for the next message. Raises DisconnectedError."""
        try:
            body: bytes = await self._comm.read()
        except OSError as error:
            raise DisconnectedError(str(error)) from error
        return body

    def close(self) -> None:
        """Close the connection at once."""
        self._comm.abort()


async def connect_to(address: str, arguments: Mapping[str, Any], seconds: float) -> DaskChannel:
    """Connect to a coordinator; `arguments` are those of `connection_arguments`.

    Raises DisconnectedError.
    """
    try:
        # Nothing is unpickled: messages are bytes of our own format.
        comm = await connect(address, timeout=seconds, deserialize=False, **arguments)
    except (OSError, ValueError) as error:
        raise DisconnectedError(str(error)) from error
    return DaskChannel(comm)


def connection_arguments(dask_worker: Any) -> tuple[str, Mapping[str, Any]]:
    """Return the name of the Dask worker of this process, and how it makes connections."""
    return str(dask_worker.name), dask_worker.security.get_connection_args("worker")


class DaskCluster:
    """The scheduler and the workers of a Dask cluster, to be used in `async with`."""

    def __init__(self, address: str, security: Security, where: str) -> None:
        self.address = address
        self._security = security
        self._where = where
        self._client: Client | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self._leave()

    async def workers(self) -> Mapping[str, str]:
        """Return the names of all workers, by address. Raises UnreachableError."""
        client = await self._connected()
        try:
            with anyio.fail_after(_CONNECT):
                found = await client.scheduler.identity(n_workers=-1)
        except (OSError, TimeoutError) as error:
            await self._leave()
            raise self._unreachable(error) from error
        return {address: str(worker["name"]) for address, worker in found["workers"].items()}

    async def start(
        self, workers: Sequence[str], function: Callable[..., Any], *arguments: object
    ) -> Mapping[str, Any]:
        """Call a function on workers; return by address what it returns, or its exception.

        A worker that has gone meanwhile is left out. Raises UnreachableError.
        """
        client = await self._connected()
        try:
            with anyio.fail_after(_CONNECT):
                answers: Mapping[str, Any] = await client.run(
                    function, *arguments, workers=list(workers), on_error="return"
                )
        except (OSError, TimeoutError) as error:
            await self._leave()
            raise self._unreachable(error) from error
        return {
            worker: answer for worker, answer in answers.items() if not isinstance(answer, OSError)
        }

    @asynccontextmanager
    async def listening(
        self, serve: Callable[[DaskChannel], None], address: str = ""
    ) -> AsyncIterator[str]:
        """Call `serve` with each connection of a worker; yields the address for `connect_to`.

        Without an `address` that is any port of the interface that leads to the scheduler.
        """
        protocol, _ = parse_address(self.address)
        host = get_ip(get_address_host(self.address))
        listener = listen(
            address or f"{protocol}://{host}:0",
            lambda comm: serve(DaskChannel(comm)),
            deserialize=False,
            **self._security.get_listen_args(_ROLE),
        )
        await listener.start()
        try:
            yield listener.contact_address
        finally:
            listener.stop()

    async def _connected(self) -> Client:
        if self._client is not None and self._client.status == "running":
            return self._client
        await self._leave()
        try:
            # Dask warns where versions of its own packages differ; ours are compared by name.
            with warnings.catch_warnings(), anyio.fail_after(_CONNECT):
                warnings.simplefilter("ignore")
                self._client = await Client(
                    self.address,
                    security=self._security,
                    asynchronous=True,
                    set_as_default=False,
                    timeout=_CONNECT,
                )
        except (OSError, TimeoutError, ValueError) as error:
            raise self._unreachable(error) from error
        return self._client

    async def _leave(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with anyio.CancelScope(shield=True), anyio.move_on_after(_CLOSE), suppress(OSError):
                await client.close()

    def _unreachable(self, error: Exception) -> UnreachableError:
        detail = str(error) or "no answer"
        return UnreachableError(
            f"{self._where}: the Dask scheduler cannot be reached ({detail}); check the address,"
            " and Dask's TLS settings"
        )


@asynccontextmanager
async def running_cluster(address: str) -> AsyncIterator[DaskCluster]:
    """Use the Dask cluster at `address`, with the TLS of Dask's own settings."""
    keep_quiet()
    async with DaskCluster(address, Security(), f"--workers {address}") as cluster:
        yield cluster


@asynccontextmanager
async def local_cluster(processes: int) -> AsyncIterator[DaskCluster]:
    """Start worker processes on this machine, which end with this process.

    Their connections have temporary TLS, since whoever reaches a scheduler can run code.
    """
    keep_quiet()
    security = Security.temporary()
    with dask.config.set(_SETTINGS):
        started = LocalCluster(
            n_workers=processes,
            threads_per_worker=1,
            host="127.0.0.1",
            security=security,
            memory_limit=0,
            dashboard_address=None,
            scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
            silence_logs=logging.CRITICAL,
            asynchronous=True,
            preload=["fleetpatch.workers.local_process"],
        )
    try:
        await started
        keep_quiet()
        async with DaskCluster(started.scheduler_address, security, "--workers") as cluster:
            yield cluster
    finally:
        with anyio.CancelScope(shield=True):
            await started.close()
