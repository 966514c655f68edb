"""A connection: the address of one API server and the credentials for it, as plain values.

`kubeconfig` and `cci` make connections, and `http` uses them. A grant identifies us to a server.
Most grants are headers that stay the same until the next grant; an access key signs each request
instead.
"""

import math
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import ClassVar, Final, Self, TypeAlias

import msgspec
from multidict import CIMultiDict
from yarl import URL

from fleetpatch.model.partial_repr import PartialRepr
from fleetpatch.model.providers.capability import ProviderName

_LOG_IN: Final = "log in again, or correct the user in the kubeconfig"


class Signature(PartialRepr, frozen=True):
    """The headers that sign one request; `secret` is the part of them that must not be shown."""

    _printed: ClassVar = ()

    headers: Mapping[str, str]
    secret: str


Sign: TypeAlias = Callable[[str, URL, bytes, str], Signature]
"""Signs a request: its method, URL, body and content type (empty if it has no body).

Raises CredentialsError if the request cannot be signed.
"""


class Grant(PartialRepr, frozen=True):
    """The credentials that identify us to a server, in the form in which requests need them.

    `headers` are sent with every request and are secret; a header may occur several times. `sign`
    adds headers to each request. `secrets` are masked where an answer quotes them. `tls` verifies
    the server and holds the client certificate, if any; None for plain HTTP. `fresh_for` is the
    number of seconds after which the grant is renewed although it is still accepted.
    """

    _printed: ClassVar = ("tls", "fresh_for")

    headers: CIMultiDict[str] = msgspec.field(default_factory=CIMultiDict)
    tls: ssl.SSLContext | None = None
    sign: Sign | None = None
    secrets: tuple[str, ...] = ()
    fresh_for: float = math.inf

    @classmethod
    def authorizing(
        cls,
        authorization: str | None,
        tls: ssl.SSLContext | None = None,
        fresh_for: float = math.inf,
        more: Iterable[tuple[str, str]] = (),
    ) -> Self:
        """Return a grant with the header `Authorization`, such as `Bearer ...`, if any.

        `more` are further headers, which are not secret.
        """
        if not authorization:
            return cls(CIMultiDict(more), tls, fresh_for=fresh_for)
        headers = CIMultiDict([("Authorization", authorization), *more])
        secret = authorization.partition(" ")[2]
        return cls(headers, tls, None, (secret,), fresh_for)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Grant) and self._credentials == other._credentials

    def __hash__(self) -> int:
        return hash((self.tls, self.secrets))

    @property
    def _credentials(self) -> tuple[object, ...]:
        # Without `fresh_for`: a plugin may return the same token with less time left.
        return self.headers, self.tls, self.sign, self.secrets


Renewal: TypeAlias = Callable[[], Awaitable[Grant]]
"""Logs in again and returns a new grant. Raises KubeconfigError or CredentialsError."""


class Connection(PartialRepr, frozen=True):
    """A server and how to reach it, from a kubeconfig context, a pod or a plan.

    `insecure` reports that the kubeconfig switches the verification of the server off. `renewal` is
    None if the credentials cannot change. `proxy` may contain a password. `provider` decides
    which requests the server accepts. `remedy` says what to do about credentials that are refused.
    `warnings` are about the kubeconfig, a line each. `route` is the text of all settings beside the
    URL that determine which server answers; equal texts mean the same route.
    """

    _printed: ClassVar = ("context", "cluster", "server", "grant", "provider", "route")

    context: str
    cluster: str
    server: str
    grant: Grant = msgspec.field(default_factory=Grant)
    insecure: bool = False
    server_name: str | None = None
    proxy: str | None = None
    renewal: Renewal | None = None
    provider: ProviderName = ProviderName.KUBERNETES
    remedy: str = _LOG_IN
    warnings: tuple[str, ...] = ()
    route: str = ""
