"""`fleetpatch sandbox` as a process, and what it was asked."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any
from urllib.parse import urlsplit

from tests.e2e.tool import Tool, end
from tests.sandbox.serving import Client


class SandboxProcess:
    """A sandbox that serves; as CCI, `credentials` are the variables that open it."""

    def __init__(self, process: Popen[str]) -> None:
        assert process.stdout is not None
        self.process = process
        line = process.stdout.readline()
        assert line, process.stderr and process.stderr.read()
        self.ready = json.loads(line)
        self.server: str = self.ready["server"]
        self.kubeconfig = Path(self.ready["kubeconfig"])
        self.credentials = _variables(self.ready.get("credentials"))
        token = self.credentials.get("CCI_TOKEN")
        self.client = Client(self.server, {"X-Auth-Token": token} if token else {})

    @property
    def port(self) -> int:
        port = urlsplit(self.server).port
        assert port is not None
        return port

    def patches(self) -> dict[str, int]:
        """How many PATCH requests came in, by path."""
        counts: dict[str, int] = self.client.request("GET", "/_sandbox/patches").body
        return counts

    def sent(self) -> int:
        """How many PATCH requests came in."""
        return sum(self.patches().values())

    def requests(self, verb: str) -> int:
        """How many requests of this verb came in."""
        counts: dict[str, int] = self.counters()["requests"]
        return counts.get(verb, 0)

    def counters(self) -> dict[str, Any]:
        """What it has counted, PATCHes by path apart."""
        counted: dict[str, Any] = self.client.request("GET", "/_sandbox/counters").body
        return counted

    def metadata(self, target: dict[str, Any]) -> Any:
        """The metadata of a batch Job, or None where there is none."""
        path = f"/apis/batch/v1/namespaces/{target['namespace']}/jobs/{target['name']}"
        response = self.client.request("GET", path)
        return response.body["metadata"] if response.status == 200 else None

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self.process.kill()
        end(self.process)


def _variables(file: str | None) -> dict[str, str]:
    """What the file says with which CCI opens; nothing where there is none."""
    lines = Path(file).read_text().splitlines() if file else ()
    return dict(line.split("=", 1) for line in lines)


@contextmanager
def sandbox(tool: Tool, *words: object, chaos: Any = None) -> Iterator[SandboxProcess]:
    """Serve until the block ends; `chaos` is the content of a chaos file."""
    if chaos is not None:
        words = (*words, "--chaos", tool.write("chaos.yaml", chaos))
    kubeconfig = tool.kubeconfig or tool.folder / "sandbox.kubeconfig"
    process = tool.start("sandbox", "--kubeconfig", kubeconfig, *words)
    try:
        served = SandboxProcess(process)
        with closing(served.client):
            yield served
    finally:
        if process.returncode is None:
            process.terminate()
            end(process)
