"""The kubeconfig of one user of the control plane."""

import base64
import json

_CLUSTER = "control-plane"


def kubeconfig_text(
    *, server: str, authority: bytes, user: str, token: str, context: str, namespace: str | None
) -> str:
    """Return a kubeconfig with one context, which is current; `authority` is PEM."""
    cluster = {
        "server": server,
        "certificate-authority-data": base64.b64encode(authority).decode(),
    }
    reference = {"cluster": _CLUSTER, "user": user}
    if namespace is not None:
        reference["namespace"] = namespace
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": _CLUSTER, "cluster": cluster}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": context, "context": reference}],
        "current-context": context,
    }
    # JSON is YAML, and needs no library here.
    return json.dumps(config, indent=2)
