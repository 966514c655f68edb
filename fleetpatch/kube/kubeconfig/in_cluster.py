"""Logs in with the service account of the pod we run in, as client-go's InClusterConfig does."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from fleetpatch.errors import CredentialsError, KubeconfigError
from fleetpatch.kube.connection import Connection, Grant
from fleetpatch.kube.credentials import TOKEN_FILE_FRESH_FOR, read_token
from fleetpatch.kube.proxies import proxy_for
from fleetpatch.kube.tls import tls_context

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


async def connect_in_cluster(
    context: str | None, environ: Mapping[str, str], account: Path
) -> Connection:
    """Connect to the API server of this pod's cluster; `account` is the folder of its token.

    Raises KubeconfigError as `server_in_cluster` does, and if the pod has no service account.
    """
    server = server_in_cluster(context, environ)
    # An error here; client-go would use the system's authorities, which do not trust a cluster.
    authority = account / "ca.crt"
    if not authority.is_file():
        raise _not_usable(f"{authority} does not exist")
    tls = tls_context(str(authority), None, verify=True, where=f"the service account in {account}")

    async def grant() -> Grant:
        bearer = f"Bearer {read_token(account / 'token')}"
        return Grant.authorizing(bearer, tls, TOKEN_FILE_FRESH_FOR)

    # Read now: without a token this is not a usable service account, and the error says so.
    try:
        first = await grant()
    except CredentialsError as error:
        raise _not_usable(str(error)) from None
    # A pod may have proxy variables for the Internet; NO_PROXY must exclude the API server then.
    proxy = proxy_for(server, None, "in-cluster")
    return Connection("in-cluster", "in-cluster", server, first, proxy=proxy, renewal=grant)


def server_in_cluster(context: str | None, environ: Mapping[str, str]) -> str:
    """Return the URL of the API server of this pod's cluster.

    Raises KubeconfigError if this is not a pod, and if `context` is given, since a pod has no
    contexts.
    """
    host = environ.get("KUBERNETES_SERVICE_HOST")
    port = environ.get("KUBERNETES_SERVICE_PORT")
    if not host or not port:
        raise _not_usable("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set")
    if context is not None:
        raise KubeconfigError(
            f"no kubeconfig that could contain the context {context!r}; set KUBECONFIG"
        )
    # An IPv6 address needs brackets in a URL.
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


def _not_usable(detail: str) -> KubeconfigError:
    return KubeconfigError(
        f"no kubeconfig, and no pod's service account ({detail}); "
        "set KUBECONFIG or write ~/.kube/config"
    )
