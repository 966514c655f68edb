"""The HTTP handler of the sandbox: it calls the API, and injects faults.

For each request to a job, the chaos profile is evaluated first. A fault changes the objects before
the API answers, or it changes the answer or the connection.

These paths exist for tests, benchmarks and the demo only:

| path | does |
|---|---|
| `GET /_sandbox/counters` | returns requests by verb, answers by status, logins, most in flight |
| `GET /_sandbox/patches` | returns PATCH requests by path |
| `POST /_sandbox/compact` | expires all continue tokens issued so far |
| `/_sandbox/capacity`, `/_sandbox/arrivals` | see `fleetpatch.sandbox.chaos.capacity` |
"""

import asyncio
import socket
import struct
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from fleetpatch.sandbox.apiserver import discovery
from fleetpatch.sandbox.apiserver.api import Api, ApiRequest, Call, call_of
from fleetpatch.sandbox.apiserver.release import Release
from fleetpatch.sandbox.apiserver.statuses import ApiReply, Refusal, no_such_page, ok
from fleetpatch.sandbox.cci.gateway import Gateway
from fleetpatch.sandbox.chaos.capacity import PATHS, Load
from fleetpatch.sandbox.chaos.faults import Faults, answer, change_objects
from fleetpatch.sandbox.chaos.profiles import Action, Fault, When
from fleetpatch.sandbox.counters import RequestCounters

_OWN: Final = "/_sandbox/"
_LINGER_ZERO: Final = struct.pack("ii", 1, 0)
"""SO_LINGER on, with a timeout of 0: closing the socket then sends RST instead of FIN."""

_NOT_ANSWERED: Final = 0


@dataclass(frozen=True, slots=True)
class Handler:
    """Called by aiohttp for each request; `gateway` is CCI's gateway before the API, or None."""

    api: Api
    counters: RequestCounters
    faults: Faults
    load: Load
    gateway: Gateway | None = None

    async def __call__(self, incoming: web.BaseRequest) -> web.StreamResponse:
        """Answer a request, or break its connection."""
        path = incoming.path
        if path.startswith(_OWN):
            own = path.removeprefix(_OWN)
            # Not counted: tests and benchmarks read the counters through these paths.
            if own in PATHS:
                return _response(self.load.own(incoming.method, own, await incoming.read()))
            return _response(self._own(incoming.method, own))
        request = await _read(incoming)
        call = _call(self.api.release, request)
        self.counters.began(call.verb if call else "other", path)
        reply = None
        # A client may disconnect at any time; the request must be counted as ended even then.
        try:
            reply = await self._reply(incoming, request, call)
        finally:
            self.counters.ended(reply.status if reply else _NOT_ANSWERED)
        # aiohttp requires a response even if the connection is broken; it is not sent.
        return _response(reply) if reply else web.Response()

    async def _reply(
        self, incoming: web.BaseRequest, request: ApiRequest, call: Call | None
    ) -> ApiReply | None:
        """Return the reply, or None if the connection was broken."""
        # Discovery, namespaces and Leases have no faults: the profiles are about workloads.
        if call is None or call.route.resource not in discovery.WORKLOADS:
            return self._answer(request)
        if call.route.name and self.load.is_limited:
            return await self.load.handle(lambda: self._with_faults(incoming, request, call))
        return await self._with_faults(incoming, request, call)

    async def _with_faults(
        self, incoming: web.BaseRequest, request: ApiRequest, call: Call
    ) -> ApiReply | None:
        """Return the reply after the profile's faults, or None if the connection was broken."""
        decision = self.faults.decide(call, request.path)
        if decision.delay:
            await asyncio.sleep(decision.delay)
        if decision.fault is None:
            return self._answer(request)
        return await self._inject(incoming, request, call, decision.fault)

    def _answer(self, request: ApiRequest) -> ApiReply:
        return self.gateway.answer(request) if self.gateway else self.api.answer(request)

    async def _inject(
        self, incoming: web.BaseRequest, request: ApiRequest, call: Call, fault: Fault
    ) -> ApiReply | None:
        rule = fault.rule
        change_objects(rule, self.api.store, self.api.writes, call.route)
        # The request is carried out, but the client does not get this answer.
        if rule.action in _UNANSWERED and rule.when is When.AFTER:
            self._answer(request)
        match rule.action:
            case Action.STATUS:
                return answer(rule, call.route)
            case Action.RESET:
                _reset(incoming)
                return None
            case Action.HANG:
                await asyncio.sleep(fault.seconds)
                _reset(incoming)
                return None
            case Action.SLOW:
                await asyncio.sleep(fault.seconds)
                return self._answer(request)
            case Action.REVOKE if self.gateway:
                self.gateway.revoke()
                return self._answer(request)
            case Action.CUT:
                await _cut(incoming, self._answer(request))
                return None
            case _:
                return self._answer(request)

    def _own(self, method: str, path: str) -> ApiReply:
        match method, path:
            case "GET", "counters":
                return ok(self.counters.document())
            case "GET", "patches":
                return ok(dict(self.counters.patches))
            case "POST", "compact":
                self.api.store.compact()
                return ok({"compacted": self.api.store.compacted})
            case _:
                return no_such_page().reply


_UNANSWERED: Final = (Action.STATUS, Action.RESET, Action.HANG)
"""Actions after which the client does not get the API's own answer."""


async def _read(incoming: web.BaseRequest) -> ApiRequest:
    return ApiRequest(
        incoming.method,
        incoming.path,
        incoming.query,
        {name.lower(): value for name, value in incoming.headers.items()},
        await incoming.read() if incoming.body_exists else b"",
        incoming.raw_path,
    )


def _call(release: Release, request: ApiRequest) -> Call | None:
    """The verb and route of a request; None for discovery and for paths that are not served."""
    try:
        return call_of(release, request.method, request.path)
    except Refusal:
        return None


def _response(reply: ApiReply) -> web.Response:
    headers = {"Content-Type": reply.content_type, **reply.headers}
    return web.Response(status=reply.status, body=reply.body, headers=headers)


def _reset(incoming: web.BaseRequest) -> None:
    """Break the connection with a reset (RST)."""
    transport = incoming.transport
    if transport is None:
        return
    connection = transport.get_extra_info("socket")
    # A plain close would send FIN, which the client sees as an end of file.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    transport.abort()


async def _cut(incoming: web.BaseRequest, reply: ApiReply) -> None:
    """Announce the whole body in Content-Length, send half of it, and close the connection."""
    response = web.StreamResponse(status=reply.status, headers={"Content-Type": reply.content_type})
    response.content_length = len(reply.body)
    await response.prepare(incoming)
    await response.write(reply.body[: len(reply.body) // 2])
    if incoming.transport is not None:
        incoming.transport.close()
