"""Send the same requests to two servers: the sandbox and a real API server."""

from collections.abc import Mapping
from typing import Any, Protocol

from tests.control_plane import JobKind
from tests.differential.generated import Step, filled
from tests.differential.observations import Observation, observe

KINDS = ["jobs.batch", "tfjobs.kubeflow.org"]
"""A built-in kind and a custom one."""


class Answer(Protocol):
    @property
    def status(self) -> int: ...
    @property
    def body(self) -> Any: ...


class Server(Protocol):
    """The client of one of the two servers."""

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = "application/json",
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer: ...


class BothServers:
    """The sandbox and the real server, in this order."""

    def __init__(self, sandbox: Server, real: Server, namespace: str) -> None:
        self.servers = (sandbox, real)
        self.namespace = namespace

    def object(self, kind: JobKind, name: str) -> list["Subject"]:
        """Create an object with the same name and labels on both servers."""
        subjects = [Subject(server, kind.path(self.namespace, name)) for server in self.servers]
        for subject in subjects:
            manifest = kind.manifest(name, {"app": "etl", "team": "ads"})
            created = subject.server.request("POST", kind.path(self.namespace), manifest)
            assert created.status == 201, created.body
            subject.stale = "1"
        return subjects

    def answers(self, step: Step, path: str) -> list[Observation]:
        return [
            observe(answer.status, answer.body, "")
            for server in self.servers
            for answer in [
                server.request(
                    step.method,
                    path + step.query,
                    step.body,
                    step.content_type,
                    headers=step.headers,
                )
            ]
        ]


class Subject:
    """One object on one server."""

    def __init__(self, server: Server, path: str) -> None:
        self.server = server
        self.path = path
        self.stale = ""
        self._read: Any = None
        """The object after the last request; no other client changes it."""

    def send(self, step: Step) -> tuple[Observation, Observation]:
        """Send a request; observe the answer and the object after it."""
        metadata = (self._read or self.server.request("GET", self.path).body)["metadata"]
        version = metadata.get("resourceVersion", "")
        words = {
            "VERSION": version,
            "STALE": self.stale,
            "UID": metadata.get("uid", "an-old-uid"),
            "NAME": self.path.rpartition("/")[2],
        }
        answer = self.server.request(
            step.method,
            self.path + step.query,
            filled(step.body, words),
            step.content_type,
            headers=step.headers,
        )
        after = self.server.request("GET", self.path)
        self._read = after.body
        return (
            observe(answer.status, answer.body, version),
            observe(after.status, after.body, version),
        )

    def replace(self, change: dict[str, Any]) -> tuple[Observation, Observation]:
        """PUT the object with some of its metadata changed; observe as `send` does."""
        document = self._read or self.server.request("GET", self.path).body
        metadata = {**document["metadata"], **change}
        return self.send(Step("PUT", {**document, "metadata": metadata}))
