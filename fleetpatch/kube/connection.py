"""How one API server is reached: plain values, made by `kubeconfig` and `cci`, used by `transport`.

A grant shows a server who we are. For most it is a header that stays the same until the next grant;
an access key shows itself by a signature of each request instead.
"""

import math
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Self, TypeAlias

from multidict import CIMultiDict
from yarl import URL

from fleetpatch.model.providers.capability import ProviderName

_LOG_IN: Final = "log in anew, or correct the user in the kubeconfig"


@dataclass(frozen=True, slots=True)
class Signature:
    """The headers that sign one request; `secret` is what of them must not be quoted."""

    headers: Mapping[str, str] = field(repr=False)
    secret: str = field(repr=False)


Sign: TypeAlias = Callable[[str, URL, bytes, str], Signature]
"""Signs a request: its method, URL, body and content type (empty where it has no body).

Raises CredentialsError where a request cannot be signed.
"""


@dataclass(frozen=True, slots=True)
class Grant:
    """What shows a server who we are.

    `headers` go with every request, and are secret; a header may occur several times. `sign` makes
    more of them for each request.
    `secrets` are masked where an answer quotes them. `tls` checks the server and carries the client
    certificate, if any; None for plain HTTP. `fresh_for` is how many seconds the grant is used
    before it is renewed unasked, while it is still good.
    """

    headers: CIMultiDict[str] = field(default_factory=CIMultiDict, repr=False)
    tls: ssl.SSLContext | None = None
    sign: Sign | None = field(default=None, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    fresh_for: float = field(default=math.inf, compare=False)

    @classmethod
    def authorizing(
        cls,
        authorization: str | None,
        tls: ssl.SSLContext | None = None,
        fresh_for: float = math.inf,
        more: Iterable[tuple[str, str]] = (),
    ) -> Self:
        """Make a grant of an `Authorization` header such as `Bearer ...`, if any.

        `more` are further headers, which are not masked in answers.
        """
        if not authorization:
            return cls(CIMultiDict(more), tls, fresh_for=fresh_for)
        headers = CIMultiDict([("Authorization", authorization), *more])
        secret = authorization.partition(" ")[2]
        return cls(headers, tls, None, (secret,), fresh_for)


Renewal: TypeAlias = Callable[[], Awaitable[Grant]]
"""Gets a grant afresh. Raises KubeconfigError or CredentialsError."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One kubeconfig context, a pod's own surroundings, or a provider's server; resolved.

    `insecure` tells that the kubeconfig switched the server's verification off. `renewal` is None
    where the credentials cannot change. `proxy` may hold a password. `provider` tells which
    requests the server understands. `remedy` says what to do about credentials that are refused.
    `warnings` are what the person should know of the kubeconfig, a line each.
    """

    context: str
    cluster: str
    server: str
    grant: Grant = field(default_factory=Grant)
    insecure: bool = False
    server_name: str | None = None
    proxy: str | None = field(default=None, repr=False)
    renewal: Renewal | None = None
    provider: ProviderName = ProviderName.KUBERNETES
    remedy: str = _LOG_IN
    warnings: tuple[str, ...] = ()
