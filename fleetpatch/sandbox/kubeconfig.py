"""The kubeconfig with which clients find the sandbox."""

import os
from pathlib import Path
from typing import Final

import msgspec

CONTEXT: Final = "sandbox"


def write_kubeconfig(path: Path, server: str, user: str, token: str) -> None:
    """Write a kubeconfig with one context, readable by its owner only; replaces what is there.

    Raises OSError.
    """
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": CONTEXT, "cluster": {"server": server}}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": user}}],
        "current-context": CONTEXT,
    }
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        # JSON is YAML, and every client reads it.
        file.write(msgspec.json.format(msgspec.json.encode(config)) + b"\n")
