"""Start and stop the sandbox: a store with the sample fleet, served on loopback."""

import asyncio
import gc
import os
import secrets
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final, Self

import anyio
from aiohttp import web

from fleetpatch.errors import SurroundingsError, UsageError
from fleetpatch.model.change import PatchType
from fleetpatch.model.providers.capability import ProviderName
from fleetpatch.model.providers.tables import capability
from fleetpatch.model.resource import Resource
from fleetpatch.sandbox import fleet
from fleetpatch.sandbox.apiserver import discovery
from fleetpatch.sandbox.apiserver.access import ADMIN, GUEST, Access
from fleetpatch.sandbox.apiserver.api import Api
from fleetpatch.sandbox.apiserver.release import RELEASES, KubernetesVersion
from fleetpatch.sandbox.apiserver.store import Store
from fleetpatch.sandbox.apiserver.writes import Writes
from fleetpatch.sandbox.cci.credentials import (
    FILE_NAME,
    IssuedCredentials,
    are_credentials,
    write_credentials,
)
from fleetpatch.sandbox.cci.gateway import Gateway
from fleetpatch.sandbox.cci.iam import Iam
from fleetpatch.sandbox.cci.patch_limits import PatchLimits
from fleetpatch.sandbox.cci.tokens import Tokens
from fleetpatch.sandbox.chaos.capacity import Load
from fleetpatch.sandbox.chaos.faults import Faults
from fleetpatch.sandbox.chaos.profiles import Chaos
from fleetpatch.sandbox.counters import RequestCounters
from fleetpatch.sandbox.handler import Handler
from fleetpatch.sandbox.kubeconfig import LOOPBACK, is_kubeconfig, write_kubeconfig
from fleetpatch.sandbox.private import require_replaceable

TOKEN_LIFETIME: Final = 86_400.0
"""The default lifetime of IAM's tokens, in seconds: a day, as on the real service."""

_BACKLOG: Final = 1024
"""Connections that may wait to be accepted: a client opens hundreds at once."""

_MAX_READ_BYTES: Final = 64 * 1024 * 1024
"""The largest body that aiohttp reads; the API refuses smaller ones itself, with a Status."""

_SHUTDOWN_TIMEOUT: Final = 0.5
"""Seconds that requests in flight, including hung ones, may take when the sandbox stops."""


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """The options of `fleetpatch sandbox`.

    - `port`: 0 means any free one.
    - `pods`: how many pods each job owns.
    - `kubeconfig`: None means a file in a temporary directory, which is removed at the end.
    - `anonymous`: accept requests without credentials (`Access`); CCI never does.
    - `token_lifetime`: of IAM's tokens, in seconds (CCI mode).
    - `kubernetes`: the version that is served.
    """

    port: int = 0
    jobs: int = 2000
    namespaces: int = 20
    pods: int = 0
    seed: int = 0
    chaos: Chaos = field(default_factory=Chaos)
    kubeconfig: Path | None = None
    anonymous: bool = True
    provider: ProviderName = ProviderName.KUBERNETES
    token_lifetime: float = TOKEN_LIFETIME
    kubernetes: KubernetesVersion = KubernetesVersion.V1_36


@dataclass(frozen=True, slots=True)
class Ready:
    """Where the sandbox serves; `pid` is the process that SIGTERM stops.

    `credentials` is the file with CCI's credentials; None for Kubernetes.
    """

    server: str
    kubeconfig: Path
    pid: int
    credentials: Path | None = None


class Sandbox:
    """A sandbox; its store, its counters and its address are public for tests."""

    def __init__(self, options: SandboxOptions) -> None:
        self._options = options
        self._tokens = {user: secrets.token_hex(16) for user in (ADMIN, GUEST)}
        self._release = RELEASES[options.kubernetes]
        # Of objects that are created later; reproducible, and no secrets.
        self._uids = Random(f"uids of {options.seed}")  # noqa: S311 -- see above
        self.store = Store(discovery.SERVED)
        self.counters = RequestCounters()
        # The same dict is used by Access, so that `change_token` takes effect at once.
        self._users = {token: user for user, token in self._tokens.items()}
        self._writes = Writes(
            self.store,
            lambda: fleet.new_uid(self._uids),
            self._release,
            takes_strategic=partial(_takes_strategic, options.provider),
        )
        self.credentials = IssuedCredentials.generate()
        self._handler = self._cci() if options.provider is ProviderName.CCI else self._kubernetes()
        self.ready = Ready("", Path(), os.getpid())

    def _kubernetes(self) -> Handler:
        access = Access(self._users, anonymous=self._options.anonymous)
        return self._handle(Api(self.store, self._writes, access))

    def _cci(self) -> Handler:
        tokens = Tokens(self._options.token_lifetime, time.time)
        # The gateway has authenticated the requests. Those without a bearer token are the
        # administrator's.
        access = Access(self._users, anonymous=True)
        api = Api(self.store, self._writes, access, PatchLimits(self.store, self._writes).check)
        iam = Iam(self.credentials, tokens, self.counters.logged_in)
        return self._handle(api, Gateway(api, iam, self.credentials, time.time))

    def _handle(self, api: Api, gateway: Gateway | None = None) -> Handler:
        faults = Faults(self._options.chaos, self._options.seed)
        return Handler(api, self.counters, faults, Load(self._options.chaos.capacity), gateway)

    def token(self, user: str) -> str:
        """The bearer token of `ADMIN` or `GUEST`."""
        return self._tokens[user]

    def change_token(self, user: str, token: str) -> None:
        """Replace the token of `ADMIN` or `GUEST`; the old one is not valid any more."""
        del self._users[self._tokens[user]]
        self._users[token] = user
        self._tokens[user] = token

    @classmethod
    @asynccontextmanager
    async def start(cls, options: SandboxOptions) -> AsyncIterator[Self]:
        """Serve until the block ends.

        Raises SurroundingsError if the port is in use or a file cannot be written, and UsageError
        if a file would be lost.
        """
        sandbox = cls(options)
        sandbox._require_replaceable()
        # Bound first, since the uids depend on the address; connections are refused until it
        # listens. The files are written after that, so that their reader can connect at once.
        async with AsyncExitStack() as stack:
            bound = stack.enter_context(_bound(options.port))
            place = f"port {bound.getsockname()[1]}"
            sandbox._uids.seed(f"uids of {options.seed} at {place}")
            fleet.fill(
                sandbox.store,
                sandbox._release,
                job_count=options.jobs,
                namespace_count=options.namespaces,
                seed=options.seed,
                place=place,
                pods=options.pods,
            )
            server = await sandbox._listen(bound, stack)
            kubeconfig = sandbox._write_kubeconfig(stack, server)
            credentials = sandbox._write_credentials(kubeconfig.parent)
            sandbox.ready = Ready(server, kubeconfig, os.getpid(), credentials)
            yield sandbox

    async def _listen(self, bound: socket.socket, stack: AsyncExitStack) -> str:
        runner = web.ServerRunner(
            web.Server(self._handler, access_log=None, request_factory=_request),
            shutdown_timeout=_SHUTDOWN_TIMEOUT,
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        # Another process may have bound the port as well, and listened first.
        with _port_errors(self._options.port):
            await web.SockSite(runner, bound, backlog=_BACKLOG).start()
        # With port 0 only the socket knows the port.
        return f"http://{LOOPBACK}:{bound.getsockname()[1]}"

    def _require_replaceable(self) -> None:
        """Check the files before anything is served; they are checked again when written."""
        path = self._options.kubeconfig
        if path is None:
            return  # in a new folder
        with _writing(path):
            require_replaceable(path, is_kubeconfig)
        if self._options.provider is ProviderName.CCI:
            path = path.parent / FILE_NAME
            with _writing(path):
                require_replaceable(path, are_credentials)

    def _write_kubeconfig(self, stack: AsyncExitStack, server: str) -> Path:
        path = self._options.kubeconfig
        if path is None:
            directory = tempfile.TemporaryDirectory(prefix="fleetpatch-sandbox-")
            path = Path(stack.enter_context(directory)) / "kubeconfig"
        with _writing(path):
            write_kubeconfig(path, server, ADMIN, self.token(ADMIN))
        return path

    def _write_credentials(self, directory: Path) -> Path | None:
        if self._options.provider is not ProviderName.CCI:
            return None
        path = directory / FILE_NAME
        with _writing(path):
            write_credentials(path, self.credentials)
        return path


@contextmanager
def _bound(port: int) -> Iterator[socket.socket]:
    """Bind a port until the block ends. Raises SurroundingsError if it is in use."""
    with socket.socket() as bound:
        # As asyncio does: a port of a server that has just ended can be bound again.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with _port_errors(port):
            bound.bind((LOOPBACK, port))
        yield bound


@contextmanager
def _port_errors(port: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SurroundingsError(
            f"port {port}: cannot listen: {os.strerror(error.errno or 0)};"
            " choose another port with --port, or 0 for any free one"
        ) from error


def _takes_strategic(provider: ProviderName, resource: Resource) -> bool:
    """Whether a kind accepts strategic merge patches."""
    # Kinds that the provider's table does not contain are built in: namespaces and Leases.
    known = capability(provider, resource)
    return known is None or PatchType.STRATEGIC in known.patch_types


def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    """Make aiohttp's request, with a size limit above the API's, so that the API refuses bodies."""
    loop = asyncio.get_running_loop()
    return web.BaseRequest(
        message, payload, protocol, writer, task, loop, client_max_size=_MAX_READ_BYTES
    )


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        where = "a file in another folder" if path.name == FILE_NAME else "another file"
        raise UsageError(f"{path} {error.strerror}; name {where} with --kubeconfig") from error
    except OSError as error:
        raise SurroundingsError(
            f"{path}: cannot be written: {error.strerror}; name another file with --kubeconfig"
        ) from error


async def serve(options: SandboxOptions, ready: Callable[[Ready], None], stop: anyio.Event) -> None:
    """Serve until `stop` is set; call `ready` when the server listens. Raises as `Sandbox.start`.

    Call it in a process of its own: it excludes all existing objects from garbage collection.
    """
    async with Sandbox.start(options) as sandbox:
        # A large fleet is a million dicts. Each full garbage collection would traverse them, and
        # halt the server for tenths of a second.
        gc.freeze()
        try:
            ready(sandbox.ready)
            await stop.wait()
        finally:
            gc.unfreeze()
