"""Write the kubeconfig of the sandbox."""

from pathlib import Path
from typing import Any, Final

import msgspec

from fleetpatch.sandbox.private import write_private

LOOPBACK: Final = "127.0.0.1"
CONTEXT: Final = "sandbox"


def write_kubeconfig(path: Path, server: str, user: str, token: str) -> None:
    """Write a kubeconfig with one context and mode 0600. It replaces only one of a sandbox.

    Raises OSError.
    """
    # JSON is valid YAML, so every client can read it.
    config = msgspec.json.encode(_config(server, user, token))
    write_private(path, msgspec.json.format(config) + b"\n", is_kubeconfig)


def is_kubeconfig(content: bytes) -> bool:
    """Whether this is a kubeconfig of a sandbox, with any port, user and token."""
    try:
        found = msgspec.json.decode(content)
    except (ValueError, RecursionError):
        return False
    match found:
        case {
            "clusters": [{"cluster": {"server": str(server)}}],
            "users": [{"name": user, "user": {"token": token}}],
        }:
            is_local = server.startswith(f"http://{LOOPBACK}:")
            return is_local and bool(found == _config(server, user, token))
    return False


def _config(server: str, user: str, token: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": CONTEXT, "cluster": {"server": server}}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": user}}],
        "current-context": CONTEXT,
    }
