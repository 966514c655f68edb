"""The only module that uses Dask: its scheduler, its worker processes and its connections.

Dask starts a function on each worker and says which workers there are. All else goes directly
between the workers and the coordinator, by connections of Dask with the TLS of the Dask cluster.
No task is submitted, so nothing of a run is shown by a dashboard or kept by the scheduler.

Dask's own log is not shown: what the operator should know is said by messages of fleetpatch.
"""

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio
import dask.config
from distributed import LocalCluster
from distributed.comm import Comm, connect, listen, parse_address
from distributed.comm.addressing import get_address_host
from distributed.core import send_recv
from distributed.protocol.pickle import dumps
from distributed.security import Security
from distributed.utils import get_ip

from fleetpatch.errors import UnreachableError
from fleetpatch.workers.channel import DisconnectedError

_ROLE: Final = "client"
"""The role of the coordinator in Dask's TLS settings (`distributed.comm.tls.client`)."""

_CONNECT: Final = 5.0
"""Seconds to connect to a scheduler."""

_ANSWER: Final = 15.0
"""Seconds for one call of a scheduler, which calls workers for it."""

_SETTINGS: Final = {
    # Threads that sample the stacks of a worker would take CPU from its requests.
    "distributed.worker.profile.enabled": False,
    # Dask starts HTTP servers even without a dashboard; these have nothing to serve.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}


def keep_quiet() -> None:
    """Keep the logs of Dask, tornado and asyncio from the terminal."""
    quiet = ("distributed", "tornado", "asyncio")
    for name in quiet:
        logging.getLogger(name).propagate = False
    for name, logger in logging.root.manager.loggerDict.items():
        # Dask gives handlers of their own to loggers below these, too.
        if name.partition(".")[0] in quiet and isinstance(logger, logging.Logger):
            logger.handlers = [logging.NullHandler()]


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
    """The scheduler and the workers of a Dask cluster.

    The scheduler is called on a connection for each call: a client of Dask would try to connect
    again by itself, and delay the end of this process while the scheduler is gone.
    """

    def __init__(self, address: str, security: Security, where: str) -> None:
        self.address = address
        self._security = security
        self._where = where

    async def workers(self) -> Mapping[str, str]:
        """Return the names of all workers, by address. Raises UnreachableError."""
        found = await self._call(op="identity", n_workers=-1)
        return {address: str(worker["name"]) for address, worker in found["workers"].items()}

    async def start(
        self, workers: Sequence[str], function: Callable[..., Any], *arguments: object
    ) -> Mapping[str, Any]:
        """Call a function on workers; return by address what it returns, or the text of its error.

        A worker that cannot be reached is left out. Raises UnreachableError.
        """
        # As `distributed.Client.run` does.
        call = {"op": "run", "function": dumps(function), "args": dumps(arguments), "wait": True}
        answers = await self._call(
            op="broadcast",
            msg=call | {"kwargs": dumps({})},
            workers=list(workers),
            on_error="return_pickle",
        )
        return {
            worker: answer["result"] if answer["status"] == "OK" else answer["exception_text"]
            for worker, answer in answers.items()
            # Of a worker that cannot be reached there are only the bytes of an exception.
            if isinstance(answer, dict)
        }

    async def _call(self, **message: object) -> Mapping[str, Any]:
        try:
            with anyio.fail_after(_ANSWER):
                comm = await connect(
                    self.address, timeout=_CONNECT, **self._security.get_connection_args(_ROLE)
                )
                try:
                    answer: Mapping[str, Any] = await send_recv(comm, **message)
                finally:
                    comm.abort()
        except (OSError, TimeoutError, ValueError) as error:
            detail = str(error) or "no answer"
            raise UnreachableError(
                f"{self._where}: the Dask scheduler cannot be reached ({detail}); check the"
                " address, and Dask's TLS settings"
            ) from error
        return answer

    @asynccontextmanager
    async def listening(
        self, serve: Callable[[DaskChannel], None], address: str = ""
    ) -> AsyncIterator[str]:
        """Call `serve` with each connection of a worker; yields the address for `connect_to`.

        Without an `address` that is any port of the interface that leads to the scheduler.
        """
        protocol, _ = parse_address(self.address)
        host = get_ip(get_address_host(self.address))

        async def take(comm: Comm) -> None:
            serve(DaskChannel(comm))

        listener = listen(
            address or f"{protocol}://{host}:0",
            take,
            deserialize=False,
            **self._security.get_listen_args(_ROLE),
        )
        await listener.start()
        try:
            yield listener.contact_address
        finally:
            listener.stop()


@asynccontextmanager
async def running_cluster(address: str) -> AsyncIterator[DaskCluster]:
    """Use the Dask cluster at `address`, with the TLS of Dask's own settings."""
    keep_quiet()
    yield DaskCluster(address, Security(), f"--workers {address}")


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
        yield DaskCluster(started.scheduler_address, security, "--workers")
    finally:
        with anyio.CancelScope(shield=True):
            await started.close()
