"""The only module that uses Dask: its scheduler, its worker processes and its TLS settings.

Dask starts a function on each worker and says which workers there are. All else goes directly
between the workers and the coordinator, by own connections with the TLS of the Dask cluster.
No task is submitted, so nothing of a run is shown by a dashboard or kept by the scheduler.

Dask's own log is not shown: what the operator should know is said by messages of fleetpatch.
"""

import logging
import ssl
import warnings
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import anyio
import dask.config
from distributed import LocalCluster
from distributed.comm import connect, parse_address
from distributed.comm.addressing import get_address_host, parse_host_port, unparse_host_port
from distributed.comm.utils import ensure_concrete_host
from distributed.core import send_recv
from distributed.protocol.pickle import dumps
from distributed.security import Security
from distributed.utils import get_ip

from fleetpatch.engine.concurrency import unwrapped_group
from fleetpatch.errors import UnreachableError, UsageError
from fleetpatch.workers import stream_channel
from fleetpatch.workers.channel import DisconnectedError
from fleetpatch.workers.stream_channel import StreamChannel

_ROLE: Final = "client"
"""The role of the coordinator in Dask's TLS settings (`distributed.comm.tls.client`)."""

_CONNECT: Final = 5.0
"""Seconds to connect to a scheduler."""

_ANSWER: Final = 15.0
"""Seconds for one call of a scheduler, which calls workers for it."""

_REFUSED: Final = (OSError, ValueError, TypeError, RuntimeError, MemoryError)
"""What Dask raises for a scheduler that cannot be called, beside an OSError: a TypeError without
TLS settings, a RuntimeError if they want encryption, a MemoryError for a server of another kind."""

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


async def connect_to(address: str, tls: ssl.SSLContext | None, seconds: float) -> StreamChannel:
    """Connect to a coordinator; `tls` is used if the address has it. Raises DisconnectedError."""
    protocol, location = parse_address(address)
    host, port = parse_host_port(location)
    if protocol != "tls":
        tls = None
    elif tls is None:
        raise DisconnectedError("this worker has no TLS settings")
    return await stream_channel.connect(host, port, tls, seconds)


def name_and_tls(dask_worker: Any) -> tuple[str, ssl.SSLContext | None]:
    """Return the name of the Dask worker of this process, and with what it makes connections."""
    arguments = dask_worker.security.get_connection_args("worker")
    return str(dask_worker.name), arguments.get("ssl_context")


class _SilentError(UnreachableError):
    """There is a connection, and no answer in time."""


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

        A worker that cannot be reached or is suspended is left out. Raises UnreachableError.
        """
        # As `distributed.Client.run` does.
        call = {"op": "run", "function": dumps(function), "args": dumps(arguments), "wait": True}
        call["kwargs"] = dumps({})
        answers: dict[str, Any] = {}
        with unwrapped_group():
            async with anyio.create_task_group() as tasks:
                # Each alone: the scheduler would answer when the last one has answered.
                for worker in workers:
                    tasks.start_soon(self._start, worker, call, answers)
        return answers

    async def _start(
        self, worker: str, call: Mapping[str, object], answers: dict[str, Any]
    ) -> None:
        try:
            by_worker = await self._call(
                op="broadcast", msg=call, workers=[worker], on_error="return_pickle"
            )
        except _SilentError:
            return
        answer = by_worker.get(worker)
        # Of a worker that cannot be reached there are only the bytes of an exception.
        if isinstance(answer, dict):
            is_ok = answer["status"] == "OK"
            answers[worker] = answer["result"] if is_ok else answer["exception_text"]

    async def _call(self, **message: object) -> Mapping[str, Any]:
        try:
            comm = await connect(
                self.address, timeout=_CONNECT, **self._security.get_connection_args(_ROLE)
            )
            try:
                with anyio.move_on_after(_ANSWER):
                    answer: Mapping[str, Any] = await send_recv(comm, **message)
                    return answer
            finally:
                comm.abort()
        except _REFUSED as error:
            detail = str(error) or "no answer"
            raise UnreachableError(
                f"{self._where}: the Dask scheduler cannot be reached ({detail}); check the"
                " address, and Dask's TLS settings"
            ) from error
        raise _SilentError(f"{self._where}: the Dask scheduler does not answer; look at it")

    @asynccontextmanager
    async def listening(
        self, serve: Callable[[StreamChannel], None], address: str = ""
    ) -> AsyncIterator[str]:
        """Call `serve` with each connection of a worker; yields the address for `connect_to`.

        Without an `address` that is any port of the interface that leads to the scheduler. Raises
        UsageError if it cannot listen there.
        """
        protocol, _ = parse_address(self.address)
        with warnings.catch_warnings():
            # Of a host that is not found: the message of the call to the scheduler is enough.
            warnings.simplefilter("ignore", RuntimeWarning)
            own_host = get_ip(get_address_host(self.address))
        host, port = self.host_and_port(address) if address else (own_host, 0)
        async with AsyncExitStack() as stack:
            try:
                tls = self._tls() if protocol == "tls" else None
                found = await stack.enter_async_context(
                    stream_channel.listening(serve, host, port, tls)
                )
            except OSError as error:
                raise UsageError(
                    f"cannot listen for workers at {protocol}://{unparse_host_port(host, port)}"
                    f" ({error.strerror or error}); nothing was sent: set FLEETPATCH_LISTEN_ADDRESS"
                    f" to a free address of this machine, as {protocol}://0.0.0.0:8790"
                ) from error
            contact = ensure_concrete_host(host, default_host=own_host)
            yield f"{protocol}://{unparse_host_port(contact, found)}"

    def _tls(self) -> ssl.SSLContext:
        """Return the TLS settings of a listener. Raises UsageError."""
        try:
            found: ssl.SSLContext | None = self._security.get_listen_args(_ROLE).get("ssl_context")
            detail = "there are none"
        except (OSError, ValueError) as error:
            found, detail = None, str(error)
        if found is None:
            raise UsageError(
                f"{self._where}: Dask's TLS settings cannot be used ({detail}); nothing was sent:"
                " set distributed.comm.tls (ca-file, and cert and key of the client)"
            )
        return found

    def host_and_port(self, address: str) -> tuple[str, int]:
        """Read an address of this coordinator. Raises UsageError."""
        wanted, _ = parse_address(self.address)
        try:
            protocol, location = parse_address(address, strict=True)
            host, port = parse_host_port(location)
        except ValueError:
            protocol, host, port = "", "", 0
        if protocol != wanted or not host or port not in range(1 << 16):
            raise UsageError(
                f"{address!r} is not a valid address of this coordinator; nothing was sent: set"
                " FLEETPATCH_LISTEN_ADDRESS and FLEETPATCH_CONTACT_ADDRESS to addresses as"
                f" {wanted}://HOST:8790, with the protocol of the scheduler"
            )
        return host, port


def running_cluster(address: str) -> DaskCluster:
    """Return the Dask cluster at `address`, with the TLS of Dask's own settings."""
    keep_quiet()
    return DaskCluster(address, Security(), f"--workers {address}")


@asynccontextmanager
async def local_cluster(processes: int) -> AsyncIterator[DaskCluster]:
    """Start worker processes on this machine, which end with this process.

    Their connections have temporary TLS, since any client of a scheduler can run code.
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
