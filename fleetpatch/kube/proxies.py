"""Finds the HTTP proxy for a server: `proxy-url` of the kubeconfig, else that of the environment.

The environment is read by the rules of Go's golang.org/x/net/http/httpproxy, which kubectl uses:
HTTPS_PROXY or HTTP_PROXY by the scheme of the server, the upper-case name before the lower-case
one; `host:port` means an http:// proxy; loopback is never proxied. Two rules are stricter. Go
ignores a variable that it cannot parse and connects directly: here it is an error, since a request
with credentials must not take a route that was not intended. SOCKS proxies are refused.
"""

import ipaddress
import os
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias
from urllib.parse import SplitResult, urlsplit

import msgspec

from fleetpatch.errors import KubeconfigError
from fleetpatch.model.addresses import AddressError, IpAddress, is_loopback, parse, parse_ip

_SCHEMES: Final = ("http", "https")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")
"""IPv4 addresses written as IPv6 addresses."""

_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


def proxy_for(
    server: str, configured: str | None, where: str, environ: Mapping[str, str] = os.environ
) -> str | None:
    """Return the URL of the proxy for `server`, or None. It may contain a password.

    `configured` is the kubeconfig's `proxy-url`, which NO_PROXY does not apply to. `where` names
    the kubeconfig's context in messages. Raises KubeconfigError for a proxy that cannot be used.
    """
    # As in client-go, `proxy-url` replaces the environment, NO_PROXY included.
    if configured:
        return _checked(configured, f"{where}: `proxy-url`", "correct it")
    url = urlsplit(server)
    name, value = _variable(environ, f"{url.scheme}_proxy")
    if not value:
        return None
    if is_loopback(url.hostname or "") or _is_excluded(url, _variable(environ, "no_proxy")[1]):
        return None
    if url.scheme == "http" and environ.get("REQUEST_METHOD"):
        # In a CGI program the header `Proxy` of a client sets HTTP_PROXY ("httpoxy").
        raise KubeconfigError(
            f"${name} cannot be trusted where $REQUEST_METHOD is set; unset one of them"
        )
    text = value if _has_scheme(value) else f"http://{value}"
    return _checked(text, f"${name}", f"correct it, or name {url.hostname} in NO_PROXY")


def _variable(environ: Mapping[str, str], name: str) -> tuple[str, str]:
    """Return the name under which a variable is set, and its value; empty if it is not set."""
    for spelling in (name.upper(), name):
        if value := environ.get(spelling):
            return spelling, value
    return name.upper(), ""


def _has_scheme(value: str) -> bool:
    """Return whether `value` is a URL, and not `host`, `host:port` or `user:password@host`."""
    return "://" in value


def _checked(url: str, what: str, remedy: str) -> str:
    # By name, since "scheme not supported" would not say what to use instead.
    if url.lower().startswith("socks"):
        raise KubeconfigError(
            f"{what}: SOCKS proxies are not supported; use an http:// or https:// proxy"
        )
    try:
        parts = parse(url, _SCHEMES)
    except AddressError as error:
        raise KubeconfigError(f"{what} is not a valid proxy: it {error}; {remedy}") from None
    # Only host, port and credentials of a proxy's URL have a meaning; Go ignores the rest, too.
    return parts._replace(path="", query="", fragment="").geturl()


class _Exclusion(msgspec.Struct, frozen=True):
    """One entry of NO_PROXY: a network, an address, or a domain; `port` None means any."""

    network: _Network | None = None
    address: IpAddress | None = None
    domain: str = ""
    subdomains_only: bool = False
    port: str = ""

    def matches(self, host: str, address: IpAddress | None, port: str) -> bool:
        # A network matches any port, since an entry in CIDR notation cannot have one.
        if self.network is not None:
            return address is not None and address in self.network
        if self.port not in {"", port}:
            return False
        if self.address is not None:
            return address == self.address
        return host.endswith(f".{self.domain}") or (
            host == self.domain and not self.subdomains_only
        )


def _is_excluded(url: SplitResult, no_proxy: str) -> bool:
    entries = [entry.strip().lower() for entry in no_proxy.split(",")]
    if "*" in entries:
        return True
    host = _ascii((url.hostname or "").lower())
    address = parse_ip(host)
    # As in Go, an entry `host:443` matches an https:// URL that does not name its port.
    port = str(url.port or _DEFAULT_PORTS[url.scheme])
    return any(
        exclusion.matches(host, address, port)
        for entry in entries
        for exclusion in _exclusions(entry)
    )


def _exclusions(entry: str) -> Iterator[_Exclusion]:
    """Parse one entry; an entry without a host excludes nothing."""
    if network := _network(entry):
        yield _Exclusion(network=network)
        return
    host, port = _split_port(entry)
    if not host:
        return
    if address := parse_ip(host):
        yield _Exclusion(address=address, port=port)
        return
    # `*.example.com` means the subdomains, as `.example.com` does.
    host = host[1:] if host.startswith("*.") else host
    yield _Exclusion(
        domain=_ascii(host.removeprefix(".")), subdomains_only=host.startswith("."), port=port
    )


def _network(entry: str) -> _Network | None:
    """Parse CIDR notation; a bare address is not a network."""
    address, slash, length = entry.partition("/")
    if not slash or not (length.isascii() and length.isdigit()):
        return None
    try:
        network = ipaddress.ip_network(f"{address}/{length}", strict=False)
    except ValueError:
        return None
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        # An IPv4 network that is mapped into IPv6, as `parse_ip` maps addresses.
        mapped = network.network_address.ipv4_mapped
        return ipaddress.ip_network(f"{mapped}/{network.prefixlen - _MAPPED.prefixlen}")
    return network


def _split_port(entry: str) -> tuple[str, str]:
    """Split `host:port` and `[IPv6]:port`; an address without brackets has no port."""
    host, colon, port = entry.rpartition(":")
    if not colon:
        return entry, ""
    if host.startswith("[") and host.endswith("]"):
        return host[1:-1], port
    return (entry, "") if ":" in host or "[" in host else (host, port)


def _ascii(host: str) -> str:
    """Spell an international domain name as DNS does."""
    try:
        return host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        # Not a valid name, so it equals no server's name.
        return host
