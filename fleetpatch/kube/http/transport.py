"""One HTTP exchange: uses aiohttp's client and handles its errors.

What a network or a server does is returned, never raised. A caller needs to know whether the
request can have been delivered: UNREACHABLE means that no connection was made (refused, DNS, TLS,
proxy, too slow), TIMEOUT and RESET mean that the request may have arrived. A keep-alive connection
that the server closed while it was idle counts as RESET: the request is in doubt, and a read
decides.

aiohttp repeats an *idempotent* request by itself if a keep-alive connection is dead. PATCH is not
one of those methods, so no PATCH is sent twice; a test checks that aiohttp keeps to it. Redirects
are not followed: they would send our credentials to another server.

This is the hot path. Headers are built once for each grant, unless it signs requests. A PATCH is
sent by `fleetpatch.kube.http.direct`, unless there is a proxy, and other requests by a session of
aiohttp, without cookies and tracing and with timeouts that are set once.
"""

import asyncio
import json
import os
import re
import ssl
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Final, NamedTuple, Self, TypeAlias
from urllib.parse import quote

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict
from yarl import URL

from fleetpatch.kube.connection import Connection, Grant
from fleetpatch.kube.credentials import Credentials
from fleetpatch.kube.http.decoding import Raw, RawReply
from fleetpatch.kube.http.direct import (
    IS_SUPPORTED,
    CleanConnector,
    DirectSender,
    Received,
    read_limited,
)
from fleetpatch.kube.http.requests import RequestTemplate
from fleetpatch.kube.http.server_warnings import ServerWarnings
from fleetpatch.kube.http.traffic_meter import TrafficMeter
from fleetpatch.kube.tls import tls_for
from fleetpatch.model.answer import NoAnswer, Silence
from fleetpatch.model.ports import Clock
from fleetpatch.model.text import clean

Headers: TypeAlias = CIMultiDict[str]

_SPARE_CONNECTIONS: Final = 8
"""Connections for reads and Leases, which must not wait until a PATCH is answered."""
_KEEP_ALIVE: Final = 60.0
"""Seconds; longer than most pauses of the pacer, since a new TLS connection is expensive."""
_UNAUTHORIZED: Final = 401
_FAULTS: Final = (OSError, UnicodeError, aiohttp.ClientError, HttpProcessingError)
"""What an exchange raises. UnicodeError: for a host name that the resolver cannot encode."""
_LINE_ENDS: Final = frozenset("\r\n\0")


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
        user_agent: str,
    ) -> None:
        self.credentials = Credentials(connection, clock)
        self.warnings = ServerWarnings()
        self.meter = TrafficMeter()
        self._connection = connection
        self._user_agent = user_agent
        self._limit = concurrency + _SPARE_CONNECTIONS
        self._seconds = timeout
        self._timeout = aiohttp.ClientTimeout(total=timeout, sock_connect=connect_timeout)
        self._url = URL(connection.server, encoded=True)
        self._connector: CleanConnector | None = None
        self._session: aiohttp.ClientSession | None = None
        self._use(connection.grant)

    async def __aenter__(self) -> Self:
        # More connections than workers, since aiohttp would queue requests without our knowing.
        self._connector = CleanConnector(limit=self._limit, keepalive_timeout=_KEEP_ALIVE)
        self._direct = self._make_direct()
        self._session = aiohttp.ClientSession(
            connector=self._connector,
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
        if self._session is not None and self._connector is not None:
            await self._session.close()
            await self._connector.abort_connections()
            self._session = self._connector = self._direct = None

    async def send(
        self,
        template: RequestTemplate,
        url: URL,
        body: bytes | None = None,
        traceparent: str = "",
    ) -> RawReply:
        """Send one request and read its answer; `traceparent` is a header of it alone.

        Raises CredentialsError where the grant cannot sign the request, and nothing for what a
        network or a server does.
        """
        if self._session is None:
            raise RuntimeError("the transport must be used inside its `async with`")
        if self.credentials.is_due():
            self.credentials.refresh()
        if self.credentials.grant is not self._grant:
            self._use(self.credentials.grant)
        # A renewal may replace the grant while this request waits for its answer, and a 401 is
        # then about the grant that was sent.
        grant, secrets = self._grant, self._secrets
        # The hot path: templates are compared by identity, so this lookup is cheap.
        prepared = self._prepared.get(template) or self._prepare(template)
        if grant.sign is not None:
            signature = grant.sign(template.method, url, body or b"", template.content_type or "")
            prepared = _Prepared.of(prepared.headers, signature.headers)
            secrets = (*secrets, signature.secret)
        if traceparent:
            prepared = prepared.traced(traceparent)
        began_at = self.meter.now()
        try:
            if self._direct is not None and template.method == "PATCH":
                request = _written(template.method, url, prepared.lines, body or b"")
                received = await self._direct.send(request, template.limit_of)
            else:
                received = await self._send_by_session(
                    self._session, template, url, prepared.headers, body
                )
        except _FAULTS as error:
            silence = no_answer(error)
            self.meter.note(template.verb, silence.silence, began_at)
            return silence
        self.meter.note(template.verb, received.status, began_at)
        if received.status == _UNAUTHORIZED:
            self.credentials.note_refusal(grant)
        raw = Raw(*received, secrets)
        if aiohttp.hdrs.WARNING in received.headers:
            self.warnings.note(received.headers.getall(aiohttp.hdrs.WARNING), raw.mask)
        return raw

    async def _send_by_session(
        self,
        session: aiohttp.ClientSession,
        template: RequestTemplate,
        url: URL,
        headers: Headers,
        body: bytes | None,
    ) -> Received:
        response = await session.request(
            template.method,
            url,
            data=body,
            headers=headers,
            allow_redirects=False,
            ssl=self._tls,
            server_hostname=self._connection.server_name,
        )
        # Not `async with`: an answer that was read to its end has released its connection.
        try:
            limit = template.limit_of(response.status)
            content, is_complete = await read_limited(response.content, limit)
        except BaseException:
            response.close()
            raise
        if not is_complete:
            # The connection still carries the rest of the body, so it cannot be used again.
            response.close()
        return Received(response.status, content, is_complete, response.headers)

    def _use(self, grant: Grant) -> None:
        """Send `grant` from now on, and drop the headers that were built for another one."""
        self._grant = grant
        self._tls = grant.tls or _system_tls(self._connection)
        self._secrets = tuple(_quoted_forms(grant.secrets))
        host = self._url.host_port_subcomponent or ""
        self._common: Headers = CIMultiDict({"Host": host, "User-Agent": self._user_agent})
        self._common.extend(grant.headers)
        self._prepared: dict[RequestTemplate, _Prepared] = {}
        self._direct = self._make_direct()

    def _make_direct(self) -> DirectSender | None:
        if self._connector is None or self._connection.proxy is not None or not IS_SUPPORTED:
            return None
        return DirectSender(
            self._connector,
            self._url,
            self._tls,
            server_name=self._connection.server_name,
            timeout=self._seconds,
            connect_timeout=self._timeout.sock_connect,
        )

    def _prepare(self, template: RequestTemplate) -> "_Prepared":
        """Build the headers of one template, once for each grant."""
        prepared = self._prepared[template] = _Prepared.of(self._common, template.headers)
        return prepared


def _system_tls(connection: Connection) -> ssl.SSLContext | bool:
    """Return a context with the system's authorities for server or proxy; True if both are HTTP.

    aiohttp's own default may not know these authorities (`cli.lean_imports`).
    """
    urls = (connection.server, connection.proxy or "")
    return next(filter(None, (tls_for(url, "the system's certificates") for url in urls)), True)


class _Prepared(NamedTuple):
    """The headers of requests, as a map and as the lines that are sent."""

    headers: Headers
    lines: bytes

    @classmethod
    def of(cls, common: Headers, more: Mapping[str, str]) -> Self:
        """Join headers, of which `more` replace others. Raises ValueError for a line end."""
        # A copy: the headers of a template are shared by all workers.
        headers = CIMultiDict(common)
        headers.update(more)
        lines = [f"{name}: {value}" for name, value in headers.items()]
        if any(not _LINE_ENDS.isdisjoint(line) for line in lines):
            raise ValueError("a header contains a line end")
        return cls(headers, "".join(f"{line}\r\n" for line in lines).encode())

    def traced(self, traceparent: str) -> "_Prepared":
        """Add the header with which a request joins a trace."""
        headers = self.headers.copy()
        headers["traceparent"] = traceparent
        return _Prepared(headers, b"%btraceparent: %b\r\n" % (self.lines, traceparent.encode()))


def _written(method: str, url: URL, lines: bytes, body: bytes) -> bytes:
    """Write a whole request."""
    start = f"{method} {url.raw_path_qs} HTTP/1.1\r\n".encode()
    return b"%b%bContent-Length: %d\r\n\r\n%b" % (start, lines, len(body), body)


def no_answer(error: BaseException) -> NoAnswer:
    """Classify an error of aiohttp or of the operating system.

    The order matters: aiohttp's errors inherit from each other, and from OSError and TimeoutError.
    """
    match error:
        case aiohttp.ConnectionTimeoutError():
            return NoAnswer(Silence.UNREACHABLE, "no connection within the time allowed")
        case aiohttp.ClientConnectorCertificateError():
            return NoAnswer(
                Silence.UNREACHABLE,
                clean(f"the server's certificate is not trusted: {error.certificate_error}"),
            )
        case aiohttp.ClientConnectorError():
            reason = _system_error(error.os_error)
            return NoAnswer(Silence.UNREACHABLE, clean(f"cannot connect: {reason}"))
        case aiohttp.ClientHttpProxyError() | aiohttp.InvalidURL() | UnicodeError():
            return NoAnswer(Silence.UNREACHABLE, _no_route(error))
        # The total timeout. aiohttp does not report whether the connection was made by then, so
        # the request is in doubt.
        case asyncio.TimeoutError():
            return NoAnswer(Silence.TIMEOUT, "no complete answer within the time allowed")
        case aiohttp.ServerDisconnectedError():
            return NoAnswer(Silence.RESET, "the server closed the connection without an answer")
        case aiohttp.ClientPayloadError():
            return NoAnswer(Silence.RESET, "the answer was cut short")
        case aiohttp.ClientResponseError() | HttpProcessingError():
            return NoAnswer(Silence.RESET, "what the server sent is not HTTP")
        case OSError(strerror=str(reason)):
            return NoAnswer(Silence.RESET, clean(f"the connection broke: {reason}"))
        case _:
            return NoAnswer(Silence.RESET, f"the connection broke ({type(error).__name__})")


def _system_error(error: OSError) -> str:
    """Describe an error of the operating system in its words, without Python's notation."""
    # For several addresses the message has the errors of all of them.
    numbers = dict.fromkeys(map(int, re.findall(r"\[Errno (\d+)\]", str(error))))
    return ", ".join(map(os.strerror, numbers)) or str(error.strerror or error)


def _no_route(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy answered {error.status}"
    return "the address of the server or of its proxy is not valid"


def _quoted_forms(secrets: Iterable[str]) -> list[str]:
    """Return the forms in which an answer may quote secrets: as they are, in JSON and in URLs.

    The longest come first, since masking a part of a secret would leave the rest.
    """
    forms = {
        form
        for secret in secrets
        if secret
        for form in (secret, json.dumps(secret)[1:-1], quote(secret), quote(secret, safe=""))
    }
    return sorted(forms, key=len, reverse=True)
