"""Sandboxes for the command line, and the requests that they received.

Most are served by a thread of the test's own process: a process takes ten times as long to start.
`sandbox_process` is for tests that kill or suspend it.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any
from urllib.parse import urlsplit

from fleetpatch.model.providers.capability import ProviderName
from fleetpatch.sandbox.chaos.profiles import load_chaos
from fleetpatch.sandbox.server import TOKEN_LIFETIME, SandboxOptions
from tests.e2e.tool import Tool, end
from tests.sandbox.serving import Client, SandboxThread


class SandboxServer:
    """A sandbox that serves; as CCI, `credentials` are the variables that open it.

    `stop` ends it before its block ends.
    """

    def __init__(
        self, server: str, kubeconfig: Path, credentials: Path | None, stop: Callable[[], None]
    ) -> None:
        self.server = server
        self.stop = stop
        self.kubeconfig = kubeconfig
        self.credentials = _variables(credentials)
        token = self.credentials.get("CCI_TOKEN")
        self.client = Client(self.server, {"X-Auth-Token": token} if token else {})

    @property
    def port(self) -> int:
        port = urlsplit(self.server).port
        assert port is not None
        return port

    def patches(self) -> dict[str, int]:
        """Return the number of PATCH requests received, by path."""
        counts: dict[str, int] = self.client.request("GET", "/_sandbox/patches").body
        return counts

    def sent(self) -> int:
        """Return the number of PATCH requests received."""
        return sum(self.patches().values())

    def requests(self, verb: str) -> int:
        """Return the number of requests received with this verb."""
        counts: dict[str, int] = self.counters()["requests"]
        return counts.get(verb, 0)

    def counters(self) -> dict[str, Any]:
        """Return its counters, without the PATCHes by path."""
        counted: dict[str, Any] = self.client.request("GET", "/_sandbox/counters").body
        return counted

    def metadata(self, target: dict[str, Any]) -> Any:
        """Return the metadata of a batch Job, or None if it does not exist."""
        path = f"/apis/batch/v1/namespaces/{target['namespace']}/jobs/{target['name']}"
        response = self.client.request("GET", path)
        return response.body["metadata"] if response.status == 200 else None


def joined_kubeconfig(kubeconfigs: Mapping[str, Path]) -> dict[str, Any]:
    """Return the first cluster and user of each kubeconfig as one document, with these contexts."""
    document: dict[str, Any] = {"apiVersion": "v1", "kind": "Config"}
    document |= {"clusters": [], "users": [], "contexts": []}
    for name, file in kubeconfigs.items():
        config = json.loads(file.read_text())
        document["clusters"].append(config["clusters"][0] | {"name": name})
        document["users"].append(config["users"][0] | {"name": name})
        document["contexts"].append({"name": name, "context": {"cluster": name, "user": name}})
    return document


def _variables(file: Path | None) -> dict[str, str]:
    """Return the credentials for CCI in `file`; empty without a file."""
    lines = file.read_text().splitlines() if file else ()
    return dict(line.split("=", 1) for line in lines)


@contextmanager
def sandbox(
    tool: Tool,
    *,
    jobs: int,
    namespaces: int = 20,
    pods: int = 0,
    chaos: Any = "none",
    provider: str = "kubernetes",
    token_lifetime: float = TOKEN_LIFETIME,
    port: int = 0,
) -> Iterator[SandboxServer]:
    """Serve until the block ends; `chaos` is the name of a profile or the content of a chaos file.

    The options are those of `fleetpatch sandbox`.
    """
    options = SandboxOptions(
        port=port,
        jobs=jobs,
        namespaces=namespaces,
        pods=pods,
        chaos=load_chaos(chaos if isinstance(chaos, str) else str(tool.write("chaos.yaml", chaos))),
        kubeconfig=_kubeconfig(tool),
        provider=ProviderName(provider),
        token_lifetime=token_lifetime,
    )
    with SandboxThread(options) as thread:
        ready = thread.sandbox.ready
        served = SandboxServer(ready.server, ready.kubeconfig, ready.credentials, thread.stop)
        with closing(served.client):
            yield served


class SandboxProcess(SandboxServer):
    """`fleetpatch sandbox` as a process that serves; `ready` is the line that it prints."""

    def __init__(self, process: Popen[str]) -> None:
        assert process.stdout is not None
        self.process = process
        line = process.stdout.readline()
        assert line, process.stderr and process.stderr.read()
        self.ready = json.loads(line)
        credentials = self.ready.get("credentials")
        super().__init__(
            self.ready["server"],
            Path(self.ready["kubeconfig"]),
            Path(credentials) if credentials else None,
            self.kill,
        )

    def kill(self) -> None:
        """Kill it, as a crash would."""
        self.process.kill()
        end(self.process)


@contextmanager
def sandbox_process(tool: Tool, *words: object) -> Iterator[SandboxProcess]:
    """Serve as a process until the block ends."""
    process = tool.start("sandbox", "--kubeconfig", _kubeconfig(tool), *words)
    try:
        served = SandboxProcess(process)
        with closing(served.client):
            yield served
    finally:
        if process.returncode is None:
            process.terminate()
            end(process)


def _kubeconfig(tool: Tool) -> Path:
    return tool.kubeconfig or tool.folder / "sandbox.kubeconfig"
