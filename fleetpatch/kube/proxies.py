"""The HTTP proxy on the way to a server: the kubeconfig's, else the environment's, as kubectl."""

import ipaddress
import urllib.request
from urllib.parse import urlsplit

from fleetpatch.errors import KubeconfigError


def proxy_for(server: str, configured: str | None, where: str) -> str | None:
    """Give the proxy's URL, or None. It may hold a password: never print it.

    Raises KubeconfigError for a `proxy-url` that is none of ours.
    """
    if configured:
        url = urlsplit(configured)
        if url.scheme not in {"http", "https"} or not url.hostname:
            raise KubeconfigError(f"{where}: `proxy-url` must be http:// or https://; correct it")
        return configured
    url = urlsplit(server)
    if _is_loopback(url.hostname or "") or urllib.request.proxy_bypass(url.netloc):
        return None
    return urllib.request.getproxies().get(url.scheme)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
