"""A control plane that runs: its addresses, users and clients."""

import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from . import bulk
from .client import RawClient, Response
from .kubeconfig import kubeconfig_text
from .manifests import JOB_KINDS, JobKind
from .processes import ControlPlaneError

USER = "alice"


class ControlPlane(ABC):
    """A control plane without controllers: objects stay as clients leave them.

    Users: `admin` (group system:masters, which the server's flow control exempts), `alice`, who
    may get, list and patch the five job kinds and read namespaces, and `bob`, who has no right.
    """

    def __init__(
        self,
        server: str,
        etcd_server: str,
        tokens: Mapping[str, str],
        audit_log: Path | None,
    ) -> None:
        """`tokens` is by name of the user. `audit_log` has a line for each finished PATCH."""
        self.tokens = dict(tokens)
        self._clients: dict[str, RawClient] = {}
        self.server = server
        self.etcd_server = etcd_server
        self.audit_log = audit_log
        self.admin_token = self.token("admin")
        self.user_token = self.token(USER)

    @property
    @abstractmethod
    def ca_file(self) -> Path:
        """The certificate of the authority of the server's, to verify the server with."""

    def token(self, user: str) -> str:
        """Return the bearer token of `admin`, `alice` or `bob`."""
        return self.tokens[user]

    def close(self) -> None:
        """Close the idle connections of the clients."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    def client(self, user: str = "admin") -> RawClient:
        """Return the client of `user`."""
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
