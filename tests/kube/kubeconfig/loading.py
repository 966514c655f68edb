"""Connections from kubeconfig files that a test has written."""

from pathlib import Path

from fleetpatch.kube.connection import Connection
from fleetpatch.kube.kubeconfig.connect import connect_to_context


async def load(*files: Path, context: str | None = None) -> Connection:
    return await connect_to_context(context, environ={"KUBECONFIG": ":".join(map(str, files))})
