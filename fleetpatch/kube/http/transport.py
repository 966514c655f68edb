"""One HTTP exchange: the only place that uses aiohttp's client, and where its errors end.

Nothing that a network or a server does is raised. What a caller must tell apart is whether the
request can have been delivered: UNREACHABLE when no connection was made (refused, DNS, TLS, proxy,
too slow), TIMEOUT and RESET when it may have arrived. A keep-alive connection that the server
closed while it was idle counts as RESET: in doubt, and a read settles it.

aiohttp sends an *idempotent* request again by itself when a kept connection turns out to be dead.
PATCH is not one of those methods, so what the engine did not ask for is never sent; a test holds
aiohttp to it. Redirects are not followed: they would carry our credentials elsewhere.

This is the hot path. Headers are built once for each grant, unless it signs requests; the session
has no cookies and no tracing, and timeouts belong to the session.
"""

import asyncio
import json
from collections.abc import Iterable
from types import TracebackType
from typing import Final, Self, TypeAlias

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from fleetpatch._version import __version__
from fleetpatch.kube.connection import Connection, Grant
from fleetpatch.kube.credentials import Credentials
from fleetpatch.kube.http.decoding import Raw, RawReply
from fleetpatch.kube.http.requests import RequestTemplate
from fleetpatch.kube.http.server_warnings import ServerWarnings
from fleetpatch.model.answer import NoAnswer, Silence
from fleetpatch.model.ports import Clock
from fleetpatch.model.text import clean

Headers: TypeAlias = CIMultiDict[str]

_SPARE_CONNECTIONS: Final = 8
_KEEP_ALIVE: Final = 60.0
_FIRST_FAILURE: Final = 300
_UNAUTHORIZED: Final = 401
_KIB: Final = 1024
ERROR_LIMIT: Final = 2048 * _KIB
"""Bytes read of the body of an error. A refusal quotes values, in its message and in its causes."""


class Transport:
    """Sends requests to one server; an async context manager that owns the connections.

    `timeout` and `connect_timeout` are seconds, for a whole exchange and for making a connection.
    """

    def __init__(
        self,
        connection: Connection,
        clock: Clock,
        *,
        concurrency: int,
        timeout: float,
        connect_timeout: float,
    ) -> None:
        self.credentials = Credentials(connection, clock)
        self.warnings = ServerWarnings()
        self._connection = connection
        self._limit = concurrency + _SPARE_CONNECTIONS
        self._timeout = aiohttp.ClientTimeout(total=timeout, sock_connect=connect_timeout)
        self._session: aiohttp.ClientSession | None = None
        self._show(connection.grant)

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._limit, keepalive_timeout=_KEEP_ALIVE),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._timeout,
            proxy=self._connection.proxy,
        )
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.credentials.close()
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, asking: RequestTemplate, url: URL, body: bytes | None = None) -> RawReply:
        """Send one request and read its answer.

        Raises nothing that network or server cause, and CredentialsError where the grant cannot
        sign the request.
        """
        if self._session is None:
            raise RuntimeError("the server is used outside of its `async with`")
        if self.credentials.is_due():
            self.credentials.refresh()
        if self.credentials.grant is not self._grant:
            self._show(self.credentials.grant)
        grant, secrets = self._grant, self._secrets
        headers = self._headers.get(asking) or self._prepare(asking)
        if grant.sign is not None:
            signature = grant.sign(asking.method, url, body or b"", asking.content_type or "")
            headers = CIMultiDict(headers)
            headers.update(signature.headers)
            secrets = (*secrets, signature.secret)
        try:
            async with self._session.request(
                asking.method,
                url,
                data=body,
                headers=headers,
                allow_redirects=False,
                ssl=self._tls,
                server_hostname=self._connection.server_name,
            ) as response:
                if response.status == _UNAUTHORIZED:
                    self.credentials.refuse(grant)
                limit = asking.limit if response.status < _FIRST_FAILURE else ERROR_LIMIT
                content, whole = await _bounded(response, limit)
                raw = Raw(response.status, content, whole, response.headers, secrets)
                if aiohttp.hdrs.WARNING in response.headers:
                    self.warnings.note(response.headers.getall(aiohttp.hdrs.WARNING), raw.mask)
                return raw
        # The resolver raises UnicodeError for a host that it cannot encode.
        except (TimeoutError, OSError, UnicodeError, aiohttp.ClientError) as error:
            return no_answer(error)

    def _show(self, grant: Grant) -> None:
        """Prepare what each request carries of `grant`."""
        self._grant = grant
        self._tls = True if grant.tls is None else grant.tls
        self._secrets = tuple(_quotable(grant.secrets))
        self._common: Headers = CIMultiDict({"User-Agent": f"fleetpatch/{__version__}"})
        self._common.extend(grant.headers)
        self._headers: dict[RequestTemplate, Headers] = {}

    def _prepare(self, asking: RequestTemplate) -> Headers:
        """Build the headers of one way of asking, once for each grant."""
        headers = self._headers[asking] = self._common.copy()
        headers.update(asking.headers)
        return headers


def no_answer(error: BaseException) -> NoAnswer:
    """Name the silence behind an error of aiohttp or of the operating system."""
    match error:
        case aiohttp.ConnectionTimeoutError():
            return NoAnswer(Silence.UNREACHABLE, "no connection within the time allowed")
        case aiohttp.ClientConnectorCertificateError():
            return NoAnswer(
                Silence.UNREACHABLE,
                clean(f"the server's certificate is not trusted: {error.certificate_error}"),
            )
        case aiohttp.ClientConnectorError():
            return NoAnswer(Silence.UNREACHABLE, clean(f"cannot connect: {error.os_error}"))
        case aiohttp.ClientHttpProxyError() | aiohttp.InvalidURL() | UnicodeError():
            return NoAnswer(Silence.UNREACHABLE, _no_way(error))
        case asyncio.TimeoutError():
            return NoAnswer(Silence.TIMEOUT, "no complete answer within the time allowed")
        case aiohttp.ServerDisconnectedError():
            return NoAnswer(Silence.RESET, "the server closed the connection without an answer")
        case aiohttp.ClientPayloadError():
            return NoAnswer(Silence.RESET, "the answer was cut short")
        case aiohttp.ClientResponseError():
            return NoAnswer(Silence.RESET, "what the server sent is not HTTP")
        case OSError(strerror=str(reason)):
            return NoAnswer(Silence.RESET, clean(f"the connection broke: {reason}"))
        case _:
            return NoAnswer(Silence.RESET, f"the connection broke ({type(error).__name__})")


def _no_way(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy answered {error.status}"
    return "the address of the server or of its proxy is not valid"


def _quotable(secrets: Iterable[str]) -> list[str]:
    """Give the forms in which an answer may quote secrets, as they are and within JSON.

    The longest come first, so that none is masked in part.
    """
    forms = {form for secret in secrets if secret for form in (secret, json.dumps(secret)[1:-1])}
    return sorted(forms, key=len, reverse=True)


async def _bounded(response: aiohttp.ClientResponse, limit: int) -> tuple[bytes, bool]:
    """Read the body, but at most about `limit` bytes; False where that cut it."""
    content = response.content
    body = await content.readany()
    if content.at_eof():
        return body, True
    parts, size = [body], len(body)
    while size <= limit:
        part = await content.readany()
        if not part:
            return b"".join(parts), True
        parts.append(part)
        size += len(part)
    # The rest is still to come: such a connection cannot be used again.
    response.close()
    return b"".join(parts)[:limit], False
