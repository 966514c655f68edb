"""URLs of servers and proxies: which texts are valid, and which hosts are this machine.

The rules are stricter than those of `urllib.parse`, which removes line breaks and accepts hosts
that no resolver accepts. So a mistake is found where the URL is written and not where it is first
used. Messages never quote a URL, because it may contain a password.
"""

import ipaddress
import re
from collections.abc import Collection
from typing import Final, TypeAlias
from urllib.parse import SplitResult, urlsplit

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

IpAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_is_ascii_host: Final = re.compile(r"[A-Za-z0-9._-]+").fullmatch
_unprintable: Final = re.compile(r"[\x00-\x20\x7f]").search


class AddressError(ValueError):
    """The text is not a valid URL; the message says why, without quoting it."""


def parse(text: str, schemes: Collection[str]) -> SplitResult:
    """Split an absolute URL of one of `schemes`; `hostname` and `port` of the result are valid.

    Raises AddressError.
    """
    if _unprintable(text):
        raise AddressError("contains a blank or a control character")
    try:
        parts = urlsplit(text)
        # `urlsplit` does not check the port; reading it does.
        _ = parts.port
    except ValueError:
        # A bracket that is not closed, or a port that is not a number or above 65535.
        raise AddressError("has a host or a port that is not valid") from None
    if parts.scheme not in schemes:
        raise AddressError(f"must begin with {' or '.join(f'{name}://' for name in schemes)}")
    if not parts.hostname:
        raise AddressError("does not contain a host")
    # An IPv6 address may name a network interface: fe80::1%25eth0.
    if parse_ip(parts.hostname.partition("%")[0]) is None and not _is_host_name(parts.hostname):
        raise AddressError("has a host that is not a valid name or IP address")
    return parts


def normalized(url: str) -> str:
    """Return a server's URL in canonical form, so that equal texts mean the same server.

    Scheme and host are in lower case, an IP address is in its short form, the scheme's default port
    and trailing slashes are removed. A text that is not a valid URL is returned unchanged.
    """
    try:
        parts = parse(url, _DEFAULT_PORTS)
    except AddressError:
        return url
    # A final dot only means that the name is complete (RFC 1034): the server is the same.
    host = (parts.hostname or "").rstrip(".")
    address = parse_ip(host)
    if address is not None:
        host = str(address)
    port = "" if parts.port in {None, _DEFAULT_PORTS[parts.scheme]} else f":{parts.port}"
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}{port}{parts.path.rstrip('/')}"


def is_host(text: str) -> bool:
    """Report whether `text` is a valid host name or an IP address without a zone."""
    return parse_ip(text) is not None or _is_host_name(text)


def is_loopback(host: str) -> bool:
    """Report whether `host` means this machine, by its text alone: no name is resolved."""
    address = parse_ip(host)
    return host == "localhost" if address is None else address.is_loopback


def parse_ip(text: str) -> IpAddress | None:
    """Return an IP address without a zone, or None for any other text.

    An IPv4 address that is mapped into IPv6 is returned as the IPv4 address.
    """
    # Without this, `ipaddress` would accept a zone, which a Host header and a certificate cannot
    # contain.
    if "%" in text:
        return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    # `::ffff:127.0.0.1` reaches the same server as 127.0.0.1.
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _is_host_name(host: str) -> bool:
    # IDNA accepts any ASCII character in a label. `_` is not valid in DNS, but in use.
    if host.isascii() and not _is_ascii_host(host):
        return False
    try:
        # The first step of name resolution; it refuses labels that are empty or longer than 63.
        return len(host.encode("idna")) <= 253  # noqa: PLR2004 - RFC 1035
    except UnicodeError:
        return False
