"""The sandbox as a whole: a store with its sample fleet, served on loopback until it is stopped."""

import gc
import os
import secrets
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final, Self

import anyio
from aiohttp import web

from fleetpatch.errors import SurroundingsError
from fleetpatch.sandbox import discovery, fleet
from fleetpatch.sandbox.access import ADMIN, GUEST, Access
from fleetpatch.sandbox.api import Api
from fleetpatch.sandbox.chaos import Chaos
from fleetpatch.sandbox.counters import Counters
from fleetpatch.sandbox.faults import Faults
from fleetpatch.sandbox.handler import Handler
from fleetpatch.sandbox.kubeconfig import write_kubeconfig
from fleetpatch.sandbox.store import Store
from fleetpatch.sandbox.writes import Writes

LOOPBACK: Final = "127.0.0.1"
_BACKLOG: Final = 1024
_GRACE_SECONDS: Final = 0.5
"""How long requests in flight, hung ones among them, may take when the sandbox stops."""


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """What `fleetpatch sandbox` is started with.

    `port` 0 is any free one. `kubeconfig` None is a file in a directory of its own, which goes away
    with the sandbox. `anonymous` lets in requests without credentials (`Access`).
    """

    port: int = 0
    jobs: int = 2000
    namespaces: int = 20
    seed: int = 0
    chaos: Chaos = field(default_factory=Chaos)
    kubeconfig: Path | None = None
    anonymous: bool = True


@dataclass(frozen=True, slots=True)
class Ready:
    """Where the sandbox serves; `pid` is the process to send SIGTERM to."""

    server: str
    kubeconfig: Path
    pid: int


class Sandbox:
    """A sandbox: its store and counters, open to tests, and where it serves."""

    def __init__(self, options: SandboxOptions) -> None:
        self._options = options
        self._tokens = {user: secrets.token_hex(16) for user in (ADMIN, GUEST)}
        uids = Random(f"uids of {options.seed}")  # noqa: S311 -- reproducible, and no secrets
        self.store = Store(discovery.SERVED)
        self.counters = Counters()
        self._users = {token: user for user, token in self._tokens.items()}
        writes = Writes(self.store, lambda: fleet.new_uid(uids))
        api = Api(self.store, writes, Access(self._users, anonymous=options.anonymous))
        self._handler = Handler(api, self.counters, Faults(options.chaos, options.seed))
        self.ready = Ready("", Path(), os.getpid())

    def token(self, user: str) -> str:
        """The bearer token of `ADMIN` or `GUEST`."""
        return self._tokens[user]

    def change_token(self, user: str, token: str) -> None:
        """Know `ADMIN` or `GUEST` by another token from now on, and not by the old one."""
        del self._users[self._tokens[user]]
        self._users[token] = user
        self._tokens[user] = token

    @classmethod
    @asynccontextmanager
    async def start(cls, options: SandboxOptions) -> AsyncIterator[Self]:
        """Serve until the block ends.

        Raises SurroundingsError where the port is taken or the kubeconfig cannot be written.
        """
        sandbox = cls(options)
        fleet.fill(
            sandbox.store,
            job_count=options.jobs,
            namespace_count=options.namespaces,
            seed=options.seed,
        )
        async with AsyncExitStack() as stack:
            server = await sandbox._listen(stack)
            kubeconfig = sandbox._write_kubeconfig(stack, server)
            sandbox.ready = Ready(server, kubeconfig, os.getpid())
            yield sandbox

    async def _listen(self, stack: AsyncExitStack) -> str:
        runner = web.ServerRunner(
            web.Server(self._handler, access_log=None), shutdown_timeout=_GRACE_SECONDS
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        port = self._options.port
        try:
            await web.TCPSite(runner, LOOPBACK, port, backlog=_BACKLOG).start()
        except OSError as error:
            raise SurroundingsError(
                f"port {port}: cannot listen: {os.strerror(error.errno or 0)};"
                " choose another with --port, or 0 for any free one"
            ) from error
        return f"http://{LOOPBACK}:{runner.addresses[0][1]}"

    def _write_kubeconfig(self, stack: AsyncExitStack, server: str) -> Path:
        path = self._options.kubeconfig
        if path is None:
            directory = tempfile.TemporaryDirectory(prefix="fleetpatch-sandbox-")
            path = Path(stack.enter_context(directory)) / "kubeconfig"
        try:
            write_kubeconfig(path, server, ADMIN, self.token(ADMIN))
        except OSError as error:
            raise SurroundingsError(
                f"{path}: cannot write the kubeconfig: {error.strerror};"
                " name another file with --kubeconfig"
            ) from error
        return path


async def serve(options: SandboxOptions, ready: Callable[[Ready], None], stop: anyio.Event) -> None:
    """Serve until `stop` is set; call `ready` once it does. Raises as `Sandbox.start`.

    For a process of its own: what is alive when it begins is kept from garbage collection.
    """
    async with Sandbox.start(options) as sandbox:
        # A large fleet is a million dicts; to look through them again and again for garbage would
        # halt the server for tenths of a second each time.
        gc.freeze()
        try:
            ready(sandbox.ready)
            await stop.wait()
        finally:
            gc.unfreeze()
