"""Starting and stopping the sandbox, and its kubeconfig.

Left out: the command line (tests/cli).
"""

import asyncio
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from fleetpatch.errors import SurroundingsError, UsageError
from fleetpatch.sandbox.apiserver.access import ADMIN
from fleetpatch.sandbox.chaos.profiles import Action, Chaos, ChaosRule
from fleetpatch.sandbox.server import Ready, Sandbox, SandboxOptions, serve
from tests.sandbox.objects import BATCH, NAMESPACE
from tests.sandbox.serving import SandboxThread

EMPTY = SandboxOptions(jobs=0, namespaces=0)


async def test_the_kubeconfig_names_the_server_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.touch()
    path.chmod(0o644)

    async with Sandbox.start(SandboxOptions(jobs=0, kubeconfig=path)) as sandbox:
        config = json.loads(path.read_text(encoding="utf-8"))

    assert config["clusters"][0]["cluster"]["server"] == sandbox.ready.server
    assert config["users"][0]["user"]["token"] == sandbox.token(ADMIN)
    assert config["current-context"] == "sandbox"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sandbox.ready == Ready(sandbox.ready.server, path, os.getpid())


async def test_a_temporary_kubeconfig_is_removed_with_the_sandbox() -> None:
    async with Sandbox.start(EMPTY) as sandbox:
        assert sandbox.ready.kubeconfig.exists()

    assert not sandbox.ready.kubeconfig.exists()


async def test_serving_ends_when_the_stop_event_is_set() -> None:
    stop = anyio.Event()
    seen: list[Ready] = []

    def ready(started: Ready) -> None:
        seen.append(started)
        stop.set()

    await serve(EMPTY, ready, stop)

    assert len(seen) == 1


async def test_a_port_that_is_in_use_is_reported() -> None:
    async with Sandbox.start(EMPTY) as sandbox:
        port = int(sandbox.ready.server.rpartition(":")[2])

        with pytest.raises(SurroundingsError, match=f"port {port}: cannot listen: Address already"):
            async with Sandbox.start(SandboxOptions(port=port, jobs=0)):
                pass


async def test_a_kubeconfig_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "kubeconfig"

    with pytest.raises(SurroundingsError, match="name another file with --kubeconfig"):
        async with Sandbox.start(SandboxOptions(jobs=0, kubeconfig=path)):
            pass


async def test_the_kubeconfig_of_an_earlier_sandbox_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    tokens = set()

    for _ in range(2):
        async with Sandbox.start(SandboxOptions(jobs=0, kubeconfig=path)) as sandbox:
            tokens.add(json.loads(path.read_text(encoding="utf-8"))["users"][0]["user"]["token"])
            assert sandbox.token(ADMIN) in tokens

    assert len(tokens) == 2


def remote(config: dict[str, Any]) -> None:
    config["clusters"][0]["cluster"]["server"] = "https://prod.example.com:6443"


def extended(config: dict[str, Any]) -> None:
    config["users"].append({"name": "prod", "user": {"token": "precious"}})


def with_a_preference(config: dict[str, Any]) -> None:
    config["contexts"][0]["context"]["namespace"] = "team-a"


@pytest.mark.parametrize("change", [remote, extended, with_a_preference])
def test_a_kubeconfig_that_has_more_than_a_sandbox_wrote_is_kept(
    tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    path = tmp_path / "kubeconfig"
    anyio.run(start, path)
    config = json.loads(path.read_text(encoding="utf-8"))
    change(config)
    path.write_text(json.dumps(config), encoding="utf-8")

    refuses_to_replace(path)


@pytest.mark.parametrize(
    "text",
    ["kind: Config\nusers: []\n", "precious", "{", "{}", "[]", "[" * 60_000, '{"x": "\xff"}'],
)
def test_a_file_of_another_kind_is_kept(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text, encoding="latin-1")

    refuses_to_replace(path)


async def start(path: Path) -> None:
    async with Sandbox.start(SandboxOptions(jobs=0, kubeconfig=path)):
        pass


def refuses_to_replace(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(UsageError, match=r"exists already, .*; name another file with --kubeconf"):
        anyio.run(start, path)
    assert path.read_bytes() == before


async def test_a_hung_request_does_not_delay_the_stop_of_the_sandbox() -> None:
    chaos = Chaos(rules=(ChaosRule(action=Action.HANG),))
    async with Sandbox.start(SandboxOptions(jobs=0, chaos=chaos)) as sandbox:
        host, _, port = sandbox.ready.server.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        path = BATCH.path(NAMESPACE, "one")
        writer.write(f"PATCH {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
        while not sandbox.counters.in_flight:
            await anyio.lowlevel.checkpoint()

    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


def test_the_sandbox_runs_beside_a_test(running: SandboxThread) -> None:
    assert running.client.request("GET", "/readyz").body == "ok"
