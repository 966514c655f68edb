"""Many simulated clusters in one process, and what their servers saw.

As a program it serves sandboxes of TFJobs until its stdin is closed, and prints their addresses.
`Farm` starts it. It asks each server for its objects, and the program for its counters: a line on
stdin is answered by a thread, since a request would wait behind those of the workers.
"""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any, Self, TypeAlias

from fleetpatch.sandbox.apiserver.discovery import JOB_KINDS
from fleetpatch.sandbox.apiserver.store import StoredObject
from fleetpatch.sandbox.server import Sandbox, SandboxOptions
from tests.e2e.background_writer import BackgroundWriter
from tests.sandbox.serving import Client

(_TFJOBS,) = [kind for kind in JOB_KINDS if kind.plural == "tfjobs"]
_PATH = "/apis/kubeflow.org/v1/namespaces/team-a/tfjobs"

_RECEIVED, _PATCHES = "received\n", "patches\n"
"""Questions for the program: for the number of PATCHes, and for those of each cluster by path."""

Key: TypeAlias = tuple[str, str]
"""The names of a cluster and of an object."""


def made(cluster: int, number: int, app: str) -> StoredObject:
    """Return a TFJob to whose `spec.marks` a JSON Patch can append."""
    metadata = {
        "name": f"{app}-{number:05}",
        "namespace": "team-a",
        # Different in every farm: two clusters never have an object in common.
        "uid": f"{os.getpid():08}-{cluster:04}-4000-8000-{number:011}{app == 'etl':d}",
        "creationTimestamp": "2026-03-01T12:00:00Z",
        "generation": 1,
        "labels": {"app": app},
    }
    return {
        "apiVersion": "kubeflow.org/v1",
        "kind": "TFJob",
        "metadata": metadata,
        "spec": {"marks": []},
    }


async def serve(clusters: int, targets: int, others: int) -> None:
    """Serve until stdin is closed."""
    async with AsyncExitStack() as stack:
        servers: list[Sandbox] = []
        for cluster in range(clusters):
            sandbox = await stack.enter_async_context(Sandbox.start(SandboxOptions(jobs=0)))
            found = [made(cluster, number, "etl") for number in range(targets)]
            found += [made(cluster, number, "serve") for number in range(others)]
            sandbox.store.load(_TFJOBS, found)
            servers.append(sandbox)
        _say([sandbox.ready.server for sandbox in servers])
        await asyncio.to_thread(_answer, servers)


def _answer(servers: Sequence[Sandbox]) -> None:
    """Answer the lines of stdin until it is closed; see `Farm`."""
    for line in sys.stdin:
        # Copies, since the servers count in the meantime.
        if line == _RECEIVED:
            _say(sum(sandbox.counters.verbs["patch"] for sandbox in servers))
        else:
            _say([sandbox.counters.patches.copy() for sandbox in servers])


def _say(value: Any) -> None:
    print(json.dumps(value), flush=True)  # noqa: T201 - read by `Farm`


class Farm:
    """The clusters of a running program; `targets` objects of each have the label `app=etl`."""

    def __init__(
        self, process: "subprocess.Popen[str]", servers: list[str], targets: int, prefix: str
    ) -> None:
        self._process = process
        self.clusters = {f"{prefix}{number:03}": server for number, server in enumerate(servers)}
        self.targets = targets
        self._clients = {name: Client(server) for name, server in self.clusters.items()}
        self.versions = {key: item["metadata"]["resourceVersion"] for key, item in self.objects()}

    @classmethod
    @contextmanager
    def start(
        cls, clusters: int, targets: int, others: int = 5, prefix: str = "c"
    ) -> Iterator[Self]:
        """Serve until the block ends; the names of the clusters begin with `prefix`."""
        words = [sys.executable, "-m", "tests.workers.farm", *map(str, (clusters, targets, others))]
        root = Path(__file__).parents[2]
        with subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root
        ) as process:
            assert process.stdout is not None
            farm = cls(process, json.loads(process.stdout.readline()), targets, prefix)
            try:
                yield farm
            finally:
                for client in farm._clients.values():
                    client.close()
                process.communicate()

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Suspend all servers while the block runs: requests wait for their answers."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def kubeconfig(self, *others: "Farm") -> dict[str, Any]:
        """Return a kubeconfig with a context for each cluster, also of the other farms."""
        names = [pair for farm in (self, *others) for pair in farm.clusters.items()]
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": {"server": server}} for name, server in names],
            "users": [{"name": "nobody", "user": {}}],
            "contexts": [
                {"name": name, "context": {"cluster": name, "user": "nobody"}} for name, _ in names
            ],
        }

    def objects(self) -> Iterator[tuple[Key, Any]]:
        """Yield all objects of all clusters."""
        for cluster, client in self._clients.items():
            answer = client.request("GET", _PATH)
            for item in answer.body["items"]:
                yield (cluster, item["metadata"]["name"]), item

    def received(self) -> int:
        """Count all PATCHes that arrived; quicker than `patches`."""
        return int(self._ask(_RECEIVED))

    def patches(self) -> Counter[Key]:
        """Count the PATCHes that arrived, by object."""
        counts: Counter[Key] = Counter()
        for cluster, by_path in zip(self.clusters, self._ask(_PATCHES), strict=True):
            for path, count in by_path.items():
                counts[cluster, path.rpartition("/")[2]] = count
        return counts

    def _ask(self, question: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(question)
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


class OtherWriter(BackgroundWriter):
    """Sets a label of its own on random targets of a farm while the block runs."""

    def __init__(self, farm: Farm, generator: random.Random, pause: float = 0.02) -> None:
        super().__init__(pause)
        self._targets, self._generator = farm.targets, generator
        self._clients = {name: Client(server) for name, server in farm.clusters.items()}
        self.writes: Counter[Key] = Counter()

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        for client in self._clients.values():
            client.close()

    def write_once(self) -> None:
        cluster = self._generator.choice(list(self._clients))
        name = f"etl-{self._generator.randrange(self._targets):05}"
        body = {"metadata": {"labels": {"other": str(self.writes.total())}}}
        kind = "application/merge-patch+json"
        self._clients[cluster].request("PATCH", f"{_PATH}/{name}", body, kind)
        self.writes[cluster, name] += 1


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process that imports this project, with these variables."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **variables}


if __name__ == "__main__":
    asyncio.run(serve(*map(int, sys.argv[1:])))
