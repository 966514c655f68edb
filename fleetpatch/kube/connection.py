"""How one API server is reached: plain values, made by `kubeconfig`, used by `transport`."""

import math
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Grant:
    """What shows a server who we are.

    `authorization` is the header's value, and secret. `tls` checks the server and carries the
    client certificate, if any; None for plain HTTP.
    """

    authorization: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None


Renewal: TypeAlias = Callable[[], Awaitable[Grant]]
"""Gets a grant afresh. Raises KubeconfigError or CredentialsError."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One kubeconfig context (or a pod's own surroundings), resolved.

    `insecure` tells that the kubeconfig switched the server's verification off. `renewal` is None
    where the credentials cannot change; `reread_every` is how many seconds a grant may be used
    before it is renewed unasked (a file whose content rotates). `proxy` may hold a password.
    """

    context: str
    cluster: str
    server: str
    grant: Grant = field(default_factory=Grant)
    insecure: bool = False
    server_name: str | None = None
    proxy: str | None = field(default=None, repr=False)
    renewal: Renewal | None = None
    reread_every: float = math.inf
