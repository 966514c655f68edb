"""From a kubeconfig, or from a pod's own surroundings, to a `Connection`.

`contexts` finds, reads and merges the files and cuts out one context; `auth` gets its credentials.
Where there is no kubeconfig, and $KUBECONFIG names none, the service account of the pod we run in
is used, if this is a pod.
"""

import functools
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from fleetpatch.errors import KubeconfigError
from fleetpatch.kube import auth, contexts
from fleetpatch.kube.connection import Connection, Grant
from fleetpatch.kube.proxies import proxy_for
from fleetpatch.model.addresses import is_loopback

_SECRETS: Final = ("token", "tokenFile", "username", "password", "exec", "auth-provider")
"""Keys of a user that put a secret into each request."""


async def load(
    context: str | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    service_account: Path = auth.SERVICE_ACCOUNT,
) -> Connection:
    """Resolve `context`, by default the current one.

    Raises KubeconfigError where a file, the context or what it says is unfit, and CredentialsError
    where its credentials cannot be had.
    """
    files = contexts.find_files(environ)
    if not files:
        return _in_cluster(context, environ, service_account)
    chosen = contexts.choose([contexts.read(file) for file in files], context)
    server = chosen.server
    _refuse_unencrypted_secrets(chosen)
    loaded = await auth.load(chosen)
    connection = Connection(
        context=chosen.name,
        cluster=chosen.cluster_name,
        server=server,
        grant=loaded.grant,
        insecure=loaded.insecure,
        server_name=loaded.server_name,
        proxy=proxy_for(server, loaded.proxy, chosen.where),
        renewal=functools.partial(_load_again, chosen) if auth.is_dynamic(chosen) else None,
    )
    token_file = chosen.user.get("tokenFile")
    return _rereading(connection, Path(token_file)) if token_file else connection


def locate(
    context: str | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    service_account: Path = auth.SERVICE_ACCOUNT,
) -> str:
    """Name the server of `context`, by default of the current one, as `load` does.

    Its user is not looked at, so no plugin runs. Raises KubeconfigError.
    """
    files = contexts.find_files(environ)
    if not files:
        return _in_cluster(context, environ, service_account).server
    return contexts.choose([contexts.read(file) for file in files], context).server


def _in_cluster(context: str | None, environ: Mapping[str, str], account: Path) -> Connection:
    server, grant = auth.in_cluster(account, dict(environ))
    if context is not None:
        raise KubeconfigError(
            f"no kubeconfig that could hold the context {context!r}; set KUBECONFIG"
        )
    proxy = proxy_for(server, None, "in-cluster")
    connection = Connection("in-cluster", "in-cluster", server, grant, proxy=proxy)
    return _rereading(connection, account / "token")


def _refuse_unencrypted_secrets(context: contexts.Context) -> None:
    """Raise KubeconfigError where a secret of the user would cross a network in clear text."""
    url = urlsplit(context.server)
    if url.scheme == "https" or is_loopback(url.hostname or ""):
        return
    if secret := next((key for key in _SECRETS if context.user.get(key)), None):
        raise KubeconfigError(
            f"{context.where}: `server` is http://, so `{secret}` of its user would be sent in"
            " clear text; use https://"
        )


def _rereading(connection: Connection, token_file: Path) -> Connection:
    """Let the connection's token follow its file."""
    return replace(connection, renewal=functools.partial(_read_again, token_file, connection.grant))


async def _load_again(context: contexts.Context) -> Grant:
    return (await auth.load(context)).grant


async def _read_again(token_file: Path, grant: Grant) -> Grant:
    return Grant.authorizing(auth.read_bearer(token_file), grant.tls, grant.fresh_for)
