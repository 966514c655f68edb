"""etcd and kube-apiserver on free loopback ports, with TLS, RBAC and the job kinds' CRDs."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from . import bulk
from .binaries import find_binaries
from .client import RawClient, Response
from .commands import LOOPBACK, apiserver_command, certificates, etcd_command, write_files
from .directory import StateDirectory
from .installation import install, lists_all_kinds
from .kubeconfig import kubeconfig_text
from .manifests import JOB_KINDS, JobKind
from .probes import apiserver_is_ready, etcd_is_healthy
from .processes import ControlPlaneError, Process, free_ports

_USER = "alice"


class ControlPlane:
    """A control plane of its own, without controllers: objects stay as clients leave them.

    Users: `admin` (group system:masters, which the server's flow control exempts), `alice`, who
    may get, list and patch the five job kinds and read namespaces, and `bob`, who has no right.
    """

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
        one line of JSON per finished request: who, what and when.
        """
        self._binaries = binaries
        self._apiserver_flags = list(apiserver_flags)
        self._audit_log = audit_log
        self._port, self._etcd_port, self._etcd_peer_port = free_ports(3)
        self._tokens = {user: secrets.token_hex(16) for user in ("admin", _USER, "bob")}
        self._directory: StateDirectory | None = None
        self._installed = False
        self._processes: dict[str, Process] = {}
        self._clients: dict[str, RawClient] = {}
        self.server = f"https://{LOOPBACK}:{self._port}"
        self.etcd_server = f"http://{LOOPBACK}:{self._etcd_port}"
        self.admin_token = self.token("admin")
        self.user_token = self.token(_USER)

    def token(self, user: str) -> str:
        """Return the bearer token of `admin`, `alice` or `bob`."""
        return self._tokens[user]

    @property
    def directory(self) -> Path:
        """The directory of data and logs; it exists from `start` to `stop`."""
        if self._directory is None:
            raise ControlPlaneError("the control plane is not started")
        return self._directory.path

    @property
    def ca_file(self) -> Path:
        """The server's self-signed certificate and its authority, to verify the server with."""
        return certificates(self.directory) / "apiserver.crt"

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
            write_files(self.directory, self._tokens)
            self._processes = self._make_processes(binaries)
            self.start_etcd()
            self.start_apiserver()
            install(self.client(), self.client(_USER), _USER, self._processes["kube-apiserver"])
            self._installed = True
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Kill both servers and remove their data and logs; a no-op when not started."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()
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
            binaries, self.directory, self._port, self._etcd_port, self._audit_log
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

    def client(self, user: str = "admin") -> RawClient:
        """Return the client of `user`, which lives until `stop`."""
        if user not in self._clients:
            self._clients[user] = RawClient(self.server, self.ca_file, self.token(user))
        return self._clients[user]

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = "application/json",
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send one request as `RawClient.request` does, by default as the administrator."""
        return self.client().request(method, path, body, content_type, token=token, headers=headers)

    def namespace(self, labels: Mapping[str, str] | None = None) -> str:
        """Create a namespace and return its name, which no other has."""
        name = f"test-{secrets.token_hex(6)}"
        metadata = {"name": name, "labels": dict(labels or {})}
        response = self.request("POST", "/api/v1/namespaces", {"metadata": metadata})
        if response.status != 201:
            raise ControlPlaneError(f"namespace {name}: {response.status} {response.body}")
        return name

    def create_jobs(
        self,
        count: int,
        namespace: str,
        kind: JobKind = JOB_KINDS["jobs.batch"],
        *,
        name: Callable[[int], str] = "job-{:05d}".format,
        labels: Callable[[int], Mapping[str, str]] | None = None,
    ) -> list[str]:
        """Create `count` objects; `name` and `labels` map an index, from 0, to those of its object.

        Returns the names in the order of the indices.
        """
        return bulk.create_jobs(
            self.client(), count, namespace, kind=kind, name=name, labels=labels
        )

    def kubeconfig(
        self,
        path: Path,
        user: str = "admin",
        context: str = "control-plane",
        namespace: str | None = None,
    ) -> Path:
        """Write to `path` a kubeconfig with this one context, which is current; return `path`."""
        text = kubeconfig_text(
            server=self.server,
            authority=self.ca_file.read_bytes(),
            user=user,
            token=self.token(user),
            context=context,
            namespace=namespace,
        )
        path.touch(mode=0o600)
        path.write_text(text)
        return path
