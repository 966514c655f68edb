"""What the sandbox can take: requests a second, requests in flight, ever slower beyond a knee.

It concerns requests for single objects of the job kinds; lists pass. Every one of them is entered
into a ledger with its time, which programs that measure a client read afterwards. The capacity can
be changed while the sandbox serves, as if another client took a share of it away:

| path | does |
|---|---|
| `GET /_sandbox/capacity` | shows the capacity |
| `POST /_sandbox/capacity` | changes the fields that the JSON body names |
| `GET /_sandbox/arrivals` | the ledger: `[time, status, seconds]` each, and what time it is `now` |
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from fleetpatch.model.fields import Json
from fleetpatch.sandbox.apiserver.statuses import ApiReply, bad_request, failure, no_such_page, ok

PATHS: Final = frozenset({"capacity", "arrivals"})
"""What `Load.own` answers, below `/_sandbox/`."""

_TOO_MANY: Final = 429
_BROKEN: Final = 0
_Positive = Annotated[float, Meta(gt=0)]
_Count = Annotated[int, Meta(ge=1)]


class Capacity(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """How much the server takes; what is None or 0 does not limit.

    `rate` requests a second with `burst` at once, and `inFlight` of them, are taken; the others are
    answered 429, with a Retry-After of `retryAfter` seconds if given. `refuses` answers 429 to all.
    The others take `latency` seconds, give or take the share `jitter`, and beyond `knee` requests
    in flight longer in proportion. `share` of rate, inFlight and knee is what others leave.
    """

    rate: _Positive | None = None
    burst: _Count = 50
    in_flight: _Count | None = None
    retry_after: Annotated[int, Meta(ge=0)] | None = None
    refuses: bool = False
    latency: Annotated[float, Meta(ge=0, le=3600)] = 0.0
    jitter: Annotated[float, Meta(ge=0, le=1)] = 0.0
    knee: _Count | None = None
    share: Annotated[float, Meta(gt=0, le=1)] = 1.0

    def seconds(self, in_flight: int, luck: float) -> float:
        """How long a request takes with so many in flight; `luck` is from [0, 1)."""
        crowd = max(1.0, in_flight / (self.knee * self.share)) if self.knee else 1.0
        return self.latency * crowd * (1.0 + (2.0 * luck - 1.0) * self.jitter)


class Load:
    """The requests that the capacity concerns, on their way through the server."""

    def __init__(self, capacity: Capacity, clock: Callable[[], float] = time.monotonic) -> None:
        self.capacity = capacity
        self._clock = clock
        self._random = random.Random(0)  # noqa: S311 - jitter, and the same in each run
        self._tokens = float(capacity.burst)
        self._filled_at = clock()
        self._in_flight = 0
        self._ledger: list[tuple[float, int, float]] = []

    @property
    def is_limited(self) -> bool:
        """Whether there is anything to do for it."""
        return self.capacity != Capacity()

    async def carry(self, answer: Callable[[], Awaitable[ApiReply | None]]) -> ApiReply | None:
        """Refuse a request, or let it be answered after the time that it takes."""
        began = self._clock()
        self._in_flight += 1
        reply = None
        try:
            if self._is_too_much(began):
                reply = _too_many(self.capacity.retry_after)
            else:
                await asyncio.sleep(self.capacity.seconds(self._in_flight, self._random.random()))
                reply = await answer()
        finally:
            self._in_flight -= 1
            status = _BROKEN if reply is None else reply.status
            self._ledger.append((began, status, self._clock() - began))
        return reply

    def own(self, method: str, path: str, body: bytes) -> ApiReply:
        """Answer a request to one of `PATHS`."""
        match method, path:
            case "GET", "arrivals":
                return ok({"now": self._clock(), "arrivals": self._ledger})
            case "GET", "capacity":
                return ok(msgspec.to_builtins(self.capacity))
            case "POST", "capacity":
                return self._change(body)
            case _:
                return no_such_page().reply

    def _change(self, body: bytes) -> ApiReply:
        try:
            changes: Json = msgspec.json.decode(body, type=dict)
            changed = {**msgspec.to_builtins(self.capacity), **changes}
            self.capacity = msgspec.convert(changed, Capacity)
        except msgspec.MsgspecError as error:
            return bad_request(f"no capacity: {error}").reply
        return ok(msgspec.to_builtins(self.capacity))

    def _is_too_much(self, now: float) -> bool:
        capacity = self.capacity
        if capacity.refuses:
            return True
        if capacity.in_flight and self._in_flight > capacity.in_flight * capacity.share:
            return True
        return capacity.rate is not None and not self._take(capacity.rate * capacity.share, now)

    def _take(self, rate: float, now: float) -> bool:
        grown = self._tokens + (now - self._filled_at) * rate
        self._tokens, self._filled_at = min(float(self.capacity.burst), grown), now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


def _too_many(retry_after: int | None) -> ApiReply:
    """429, in the words of the API server's own limit."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    message = "Too many requests, please try again later."
    return failure(_TOO_MANY, message, "TooManyRequests", {}, headers=headers)
