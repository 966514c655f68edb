"""etcd and kube-apiserver on free loopback ports, with TLS, RBAC and the job kinds' CRDs."""

import os
import secrets
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from .access import USER, ControlPlane
from .binaries import find_binaries
from .commands import LOOPBACK, apiserver_command, ca_file, etcd_command, write_files
from .directory import StateDirectory
from .installation import install, lists_all_kinds
from .probes import apiserver_is_ready, etcd_is_healthy
from .processes import ControlPlaneError, Process, free_ports


class OwnControlPlane(ControlPlane):
    """A control plane that this process starts, and that ends with it."""

    def __init__(
        self,
        binaries: Path | None = None,
        *,
        apiserver_flags: Sequence[str] = (),
        audit_log: Path | None = None,
    ) -> None:
        """Choose ports and tokens; nothing runs before `start`.

        `binaries` is the directory of kube-apiserver and etcd, by default what the script finds.
        `apiserver_flags` come after the fixture's own and win over them. `audit_log` is a file for
        one line of JSON per finished PATCH, and per request for namespaces: who, what and when.
        """
        self._port, self._etcd_port, self._etcd_peer_port = free_ports(3)
        super().__init__(
            f"https://{LOOPBACK}:{self._port}",
            f"http://{LOOPBACK}:{self._etcd_port}",
            {user: secrets.token_hex(16) for user in ("admin", USER, "bob")},
            audit_log,
        )
        self._binaries = binaries
        self._apiserver_flags = list(apiserver_flags)
        self._directory: StateDirectory | None = None
        self._installed = False
        self._processes: dict[str, Process] = {}

    @property
    def started(self) -> bool:
        """Whether the servers were started and not stopped; they may have been killed."""
        return self._directory is not None

    @property
    def directory(self) -> Path:
        """The directory of data and logs; it exists from `start` to `stop`."""
        if self._directory is None:
            raise ControlPlaneError("the control plane is not started")
        return self._directory.path

    @property
    def ca_file(self) -> Path:
        return ca_file(self.directory)

    def start(self) -> None:
        """Start both servers and return when the five job kinds are served to alice.

        Raises BinariesNotFoundError when there is nothing to start, and ControlPlaneError when one
        of the servers did not; then nothing is left behind.
        """
        if self._directory is not None:
            raise ControlPlaneError("the control plane is started already")
        binaries = self._binaries or find_binaries()
        self._directory = StateDirectory()
        try:
            write_files(self.directory, self.tokens)
            self._processes = self._make_processes(binaries)
            self.start_etcd()
            self.start_apiserver()
            install(self.client(), self.client(USER), USER, self._processes["kube-apiserver"])
            self._installed = True
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Kill both servers and remove their data and logs; a no-op when not started."""
        self.close()
        for process in reversed(self._processes.values()):
            process.kill()
        self._processes.clear()
        self._installed = False
        if self._directory is not None:
            self._directory.remove()
            self._directory = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _make_processes(self, binaries: Path) -> dict[str, Process]:
        etcd = etcd_command(binaries, self.directory, self._etcd_port, self._etcd_peer_port)
        apiserver = apiserver_command(
            binaries, self.directory, self._port, self._etcd_port, self.audit_log
        )
        commands = (etcd, [*apiserver, *self._apiserver_flags])
        processes = (
            Process(command, self.directory / f"{Path(command[0]).name}.log")
            for command in commands
        )
        return {process.name: process for process in processes}

    def kill_apiserver(self) -> None:
        """SIGKILL kube-apiserver; its port refuses connections until `start_apiserver`."""
        self._processes["kube-apiserver"].kill()

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Suspend kube-apiserver while the block runs: requests wait for their answers."""
        pid = self._processes["kube-apiserver"].pid
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def start_apiserver(self) -> None:
        """Start kube-apiserver on its port, data and certificate; return when it is ready."""
        self._processes["kube-apiserver"].start()
        self.wait_ready()

    def wait_ready(self) -> None:
        """Return when kube-apiserver is ready, which it is not while it has no etcd.

        It then also lists the job kinds, unless they are not installed yet.
        """
        apiserver = self._processes["kube-apiserver"]
        apiserver.wait_until(
            lambda: apiserver_is_ready(self.server, self.ca_file, self.admin_token), "/readyz"
        )
        if self._installed:
            apiserver.wait_until(lambda: lists_all_kinds(self.client()), "the job kinds are listed")

    def kill_etcd(self) -> None:
        """SIGKILL etcd; what it acknowledged stays in its data directory."""
        self._processes["etcd"].kill()

    def start_etcd(self) -> None:
        """Start etcd on its ports and data; return when it is healthy.

        A running kube-apiserver reconnects at a time of its choice: see `wait_ready`.
        """
        self._processes["etcd"].start()
        self._processes["etcd"].wait_until(lambda: etcd_is_healthy(self._etcd_port), "/health")
