"""The addresses in the options: a Pushgateway, and a port to listen on.

The credentials in the URL of a Pushgateway are kept apart from it, so that no message has them.
"""

import base64
import re
from typing import ClassVar, Final
from urllib.parse import unquote, urlsplit, urlunsplit

from fleetpatch.model.partial_repr import PartialRepr

JOB: Final = "fleetpatch"
"""The label `job` of what is pushed."""

_ADDRESS: Final = re.compile(r"(?P<host>[\w.-]*|\[[0-9a-fA-F:.]+\]):(?P<port>\d{1,5})", re.ASCII)
_PATH: Final = re.compile(r"[!-~]*")
"""What a request may have: ASCII without blanks and control characters."""
_MAX_PORT: Final = 65535


class Gateway(PartialRepr, frozen=True):
    """A Pushgateway: its URL without credentials, and the header that has them, or empty."""

    _printed: ClassVar = ("url",)

    url: str
    authorization: str = ""

    @property
    def shown(self) -> str:
        """The server alone: a path may have a token."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"


def read_gateway(text: str) -> Gateway:
    """Read the URL of a Pushgateway. Raises ValueError, whose text has no part of it."""
    try:
        parts = urlsplit(text)
        is_valid = bool(parts.hostname and _PATH.fullmatch(parts.path) and parts.port != 0)
        # Raises UnicodeError, a ValueError: all of it must be text, and the host a name of a host.
        text.encode()
        (parts.hostname or "").encode("idna")
    except ValueError:
        parts, is_valid = urlsplit(""), False
    if parts.scheme not in ("http", "https") or not is_valid:
        raise ValueError("is not a valid URL of a Pushgateway; use http://HOST:9091")
    if parts.query or parts.fragment or "/metrics" in parts.path:
        raise ValueError(
            "has more than the address of a Pushgateway; leave out the query and /metrics/..."
        )
    host = parts.netloc.rpartition("@")[2]
    url = urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
    if parts.username is None:
        return Gateway(url)
    credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return Gateway(url, f"Basic {base64.b64encode(credentials.encode()).decode()}")


def read_address(text: str) -> tuple[str, int]:
    """Read `ADDR:PORT`; without ADDR it is every address of IPv4. Raises ValueError."""
    found = _ADDRESS.fullmatch(text)
    port = int(found["port"]) if found else 0
    if found is None or not 0 < port <= _MAX_PORT:
        raise ValueError("is not a valid address; use ADDR:PORT, such as 127.0.0.1:9464 or :9464")
    return found["host"].strip("[]") or "0.0.0.0", port  # noqa: S104 - as asked for
