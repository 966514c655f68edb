"""Builds the input of an exec plugin: the variable KUBERNETES_EXEC_INFO."""

import base64
import json
from typing import Any, Final

from fleetpatch.errors import KubeconfigError
from fleetpatch.kube.kubeconfig.context import Context
from fleetpatch.kube.kubeconfig.static_auth import content_of, pem_of

_EXTENSION: Final = "client.authentication.k8s.io/exec"
_VARIABLE_LIMIT: Final = 128 * 1024
"""Bytes of one environment variable on Linux."""


def exec_info(context: Context, api_version: str, *, interactive: bool, with_cluster: bool) -> str:
    """Return the ExecCredential for the plugin to complete, as JSON.

    Raises KubeconfigError if the cluster cannot be described.
    """
    spec: dict[str, Any] = {"interactive": interactive}
    if with_cluster:
        spec["cluster"] = _cluster_info(context)
    return json.dumps({"kind": "ExecCredential", "apiVersion": api_version, "spec": spec})


def _cluster_info(context: Context) -> dict[str, Any]:
    cluster = context.cluster
    info: dict[str, Any] = {"server": cluster["server"]}
    # Empty and false values are omitted, as by client-go's JSON.
    for key in ("tls-server-name", "insecure-skip-tls-verify", "proxy-url", "disable-compression"):
        if value := cluster.get(key):
            info[key] = value
    if authority := pem_of(cluster, "certificate-authority", context.where):
        content = content_of(authority, context.where)
        info["certificate-authority-data"] = base64.b64encode(content).decode()
    config = _extension(cluster.get("extensions"), context.where)
    return info | ({"config": config} if config is not None else {})


def _extension(extensions: Any, where: str) -> Any:
    """Return the part of the cluster's extensions that is for exec plugins; None without one."""
    for extension in extensions if isinstance(extensions, list) else ():
        if isinstance(extension, dict) and extension.get("name") == _EXTENSION:
            config = extension.get("extension")
            if not _is_small_json(config):
                raise KubeconfigError(
                    f"{where}: the extension {_EXTENSION} of its cluster is too large, or is not"
                    " JSON; correct it"
                )
            return config
    return None


def _is_small_json(value: Any) -> bool:
    """Return whether `value` is JSON that fits into an environment variable."""
    # With YAML's aliases a small file can be a huge document, so encoding stops at the limit.
    size = 0
    try:
        for part in json.JSONEncoder(allow_nan=False).iterencode(value):
            size += len(part)
            if size > _VARIABLE_LIMIT:
                return False
    except (TypeError, ValueError, RecursionError):
        return False
    return True
