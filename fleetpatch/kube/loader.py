"""Credentials that have to be asked for, by kubernetes_asyncio's loader; its only user.

The loader ships no types, so all calls of it stand here. It runs exec plugins, asks OIDC and GCP
providers for tokens, and knows a pod's service account. It is handed a kubeconfig of one context,
which `contexts` has checked and whose paths are absolute.

Its habits that are corrected here: it logs what it raises (a plugin's stderr with it), and it
remembers decoded private keys, and the files it put them into, until the process ends.

To import it takes as long as all else together, so `auth` does that when it is needed.
"""

import logging
from pathlib import Path
from typing import Any

from kubernetes_asyncio.config import ConfigException, incluster_config, kube_config

from fleetpatch.kube.contexts import Context
from fleetpatch.kube.written import Settings

__all__ = ["ConfigException", "ask", "in_cluster"]

# All that it would say is raised as well.
logging.getLogger(kube_config.__name__).disabled = True


async def ask(context: Context, folder: Path) -> Settings:
    """Get the credentials of a context; certificates and keys become files in `folder`.

    It is untyped: it raises ConfigException, and whatever its parsing meets.
    """
    settings = Settings()
    # A token file wins over a token and is read by us: it is read again, too.
    user = {key: value for key, value in context.user.items() if key != "tokenFile"}
    document = {
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "clusters": [{"name": "it", "cluster": context.cluster}],
        "users": [{"name": "it", "user": user}],
    }
    loader: Any = kube_config.KubeConfigLoader(config_dict=document, temp_file_path=str(folder))
    try:
        await loader.load_and_set(settings)
    finally:
        # The files go with their folder.
        kube_config._temp_files.clear()  # noqa: SLF001 - no public way to forget the keys
    return settings


def in_cluster(folder: Path, environ: dict[str, str]) -> Settings:
    """Find the server of the pod we run in. Raises ConfigException and OSError."""
    settings = Settings()
    loader: Any = incluster_config.InClusterConfigLoader(
        str(folder / "token"), str(folder / "ca.crt"), environ=environ
    )
    loader.load_and_set(settings)
    return settings
