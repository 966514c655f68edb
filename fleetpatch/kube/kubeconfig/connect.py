"""Logs in with a kubeconfig, or with the service account of a pod, and returns the `Connection`.

`context` finds and merges the files and selects one context. Its user logs in by `static_auth`, or
by an exec plugin (`exec_auth`) if the kubeconfig has no other credentials. The service account of
the pod that we run in is used if $KUBECONFIG is not set and no default kubeconfig exists.
"""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from fleetpatch.errors import KubeconfigError
from fleetpatch.kube.connection import Connection
from fleetpatch.kube.kubeconfig.context import Context, choose_context, find_files
from fleetpatch.kube.kubeconfig.file import read_file
from fleetpatch.kube.kubeconfig.in_cluster import (
    SERVICE_ACCOUNT,
    connect_in_cluster,
    server_in_cluster,
)
from fleetpatch.kube.kubeconfig.static_auth import StaticAuth, is_static
from fleetpatch.kube.proxies import proxy_for
from fleetpatch.model.addresses import is_loopback
from fleetpatch.model.text import clean

if TYPE_CHECKING:
    from fleetpatch.kube.kubeconfig.exec_auth import ExecAuth

_SECRETS: Final = ("token", "tokenFile", "username", "password", "exec")
"""Keys of a user with which each request carries a secret."""

_PLUGINS: Final = {
    "gcp": "gke-gcloud-auth-plugin",
    "azure": "kubelogin",
    "oidc": "kubectl oidc-login",
}
"""The exec plugins that replace the auth-providers of kubectl before 1.26."""


async def connect_to_context(
    context: str | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    service_account: Path = SERVICE_ACCOUNT,
    now: Callable[[], float] = time.time,
) -> Connection:
    """Log in to the server of `context`, by default the current one.

    `environ` names the kubeconfig or the pod's server; `now` is the clock that the expiry of
    credentials is compared with. Raises KubeconfigError for a file or context that is not valid,
    and CredentialsError if the log-in fails.
    """
    files = find_files(environ)
    if not files:
        return await connect_in_cluster(context, environ, service_account)
    chosen = choose_context([read_file(file) for file in files], context)
    server, server_name = chosen.server, chosen.server_name
    proxy = proxy_for(server, chosen.cluster.get("proxy-url"), chosen.where)
    _refuse_unencrypted_secrets(chosen, proxy)
    log_in = _log_in(chosen, now)
    # The log-in comes last: a plugin must not run for a context that is not valid.
    return Connection(
        context=chosen.name,
        cluster=chosen.cluster_name,
        server=server,
        grant=await log_in.grant(),
        insecure=server.startswith("https:")
        and bool(chosen.cluster.get("insecure-skip-tls-verify")),
        server_name=server_name,
        proxy=proxy,
        renewal=log_in.grant if log_in.can_change else None,
        warnings=chosen.warnings,
        route=chosen.route,
    )


def server_of_context(
    context: str | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
) -> tuple[str, str]:
    """Return the URL and the route of the server that `connect_to_context` would connect to.

    The route is `Connection.route`. This does not log in, so no plugin runs.

    Raises KubeconfigError.
    """
    files = find_files(environ)
    if not files:
        return server_in_cluster(context, environ), ""
    chosen = choose_context([read_file(file) for file in files], context)
    return chosen.server, chosen.route


def _refuse_unencrypted_secrets(context: Context, proxy: str | None) -> None:
    """Raise KubeconfigError if a secret of the user would be sent over a network in clear text.

    A request to loopback stays on this machine, unless a proxy on another machine forwards it. An
    https:// proxy can read the secret, too.
    """
    url = urlsplit(context.server)
    hosts = [url.hostname or "", *([urlsplit(proxy).hostname or ""] if proxy else [])]
    if url.scheme == "https" or all(map(is_loopback, hosts)):
        return
    if secret := next((key for key in _SECRETS if context.user.get(key)), None):
        remote_proxy = is_loopback(hosts[0])
        through = " to its proxy (`proxy-url`)" if remote_proxy else ""
        remedy = "use https://, or remove the proxy" if remote_proxy else "use https://"
        raise KubeconfigError(
            f"{context.where}: `server` is http://, so `{secret}` of its user would be sent in"
            f" clear text{through}; {remedy}"
        )


def _log_in(context: Context, now: Callable[[], float]) -> "StaticAuth | ExecAuth":
    """Return the log-in of the user of a context. Raises KubeconfigError."""
    if (provider := context.user.get("auth-provider")) is not None:
        raise _removed_provider(context, provider)
    if context.user.get("exec") is None:
        return StaticAuth(context)
    # Deferred: most users have no plugin, and need not wait for the modules that run one.
    from fleetpatch.kube.kubeconfig.exec_auth import ExecAuth  # noqa: PLC0415 - see above

    # As in kubectl, a plugin runs only if the user has no other credentials. ExecAuth is made in
    # any case, so that an `exec` that is not valid is an error.
    plugin = ExecAuth(context, now)
    return StaticAuth(context) if is_static(context) else plugin


def _removed_provider(context: Context, provider: Any) -> KubeconfigError:
    name = provider.get("name") if isinstance(provider, dict) else None
    plugin = _PLUGINS.get(name) if isinstance(name, str) else None
    advice = f"the exec plugin {plugin}" if plugin else "an exec plugin"
    shown = f" {clean(name, 60)!r}" if isinstance(name, str) else ""
    return KubeconfigError(
        f"{context.where}: the auth-provider{shown} of its user was removed in Kubernetes 1.26;"
        f" use {advice} instead (`exec` in place of `auth-provider`)"
    )
