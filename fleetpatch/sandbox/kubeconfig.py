"""Write the kubeconfig of the sandbox."""

from pathlib import Path
from typing import Final

import msgspec

from fleetpatch.sandbox.private import write_private

CONTEXT: Final = "sandbox"


def write_kubeconfig(path: Path, server: str, user: str, token: str) -> None:
    """Write a kubeconfig with one context and mode 0600, replacing an old one. Raises OSError."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": CONTEXT, "cluster": {"server": server}}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": user}}],
        "current-context": CONTEXT,
    }
    # JSON is valid YAML, so every client can read it.
    write_private(path, msgspec.json.format(msgspec.json.encode(config)) + b"\n")
