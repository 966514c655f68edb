"""Loads contexts whose user has an exec plugin, and shows what the plugin receives."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fleetpatch.kube.connection import Connection
from fleetpatch.kube.kubeconfig.connect import connect_to_context
from tests.kube.kubeconfig.kubeconfigs import kubeconfig, plugin

V1 = "client.authentication.k8s.io/v1"
V1BETA1 = "client.authentication.k8s.io/v1beta1"
NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC).timestamp()


async def load(
    folder: Path, user: dict[str, Any], the_cluster: dict[str, Any] | None = None, **of_exec: Any
) -> Connection:
    """Load a context with a plugin; `of_exec` are changes of its `exec`."""
    user = user | {"exec": user["exec"] | of_exec}
    file = kubeconfig(folder / "config", the_cluster=the_cluster, user=user)
    return await connect_to_context(environ={"KUBECONFIG": str(file)}, now=lambda: NOW)


def recording(folder: Path) -> dict[str, Any]:
    """Make a plugin that records its KUBERNETES_EXEC_INFO and its stdin."""
    asked = folder / "asked"
    return plugin(
        folder,
        f"pathlib.Path({str(asked)!r}).write_text(json.dumps([asked, sys.stdin.read()]))\n"
        "credential(token='its')",
    )


def recorded(folder: Path) -> Any:
    return json.loads((folder / "asked").read_text())
