"""The capacity of the sandbox: a request rate, requests in flight, and latency under load.

It applies to requests for single objects of the job kinds, not to lists. Each of these requests is
recorded with its time; benchmarks read the records afterwards. The capacity can be changed while
the sandbox serves, as if other clients used a share of it:

| path | does |
|---|---|
| `GET /_sandbox/capacity` | returns the capacity |
| `POST /_sandbox/capacity` | changes the fields in the JSON body |
| `GET /_sandbox/arrivals` | returns the records as `[time, status, seconds]`, and the time `now` |
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from fleetpatch.model.fields import Json
from fleetpatch.rules.running.token_bucket import TokenBucket
from fleetpatch.sandbox.apiserver.statuses import ApiReply, bad_request, failure, no_such_page, ok

PATHS: Final = frozenset({"capacity", "arrivals"})
"""The paths that `Load.own` answers, below `/_sandbox/`."""

_TOO_MANY: Final = 429
_BROKEN: Final = 0
_Positive = Annotated[float, Meta(gt=0)]
_Count = Annotated[int, Meta(ge=1)]


class Capacity(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """How much load the server accepts; None or 0 means no limit.

    - `rate`, `burst`: requests per second, and how many of them at once.
    - `in_flight`: requests in flight. Requests beyond these limits are answered 429.
    - `retry_after`: seconds in the Retry-After header of a 429; None leaves it out.
    - `refuses`: answer 429 to all requests.
    - `latency`, `jitter`: the seconds that an accepted request takes, and their relative variation.
    - `knee`: with more requests in flight than this, the latency grows in proportion.
    - `share`: the part of rate, in_flight and knee that other clients leave over.
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

    def seconds(self, in_flight: int, random: float) -> float:
        """The seconds that a request takes; `random` is uniform in [0, 1)."""
        overload = max(1.0, in_flight / (self.knee * self.share)) if self.knee else 1.0
        return self.latency * overload * (1.0 + (2.0 * random - 1.0) * self.jitter)


class Load:
    """Applies the capacity to requests, and records them."""

    def __init__(self, capacity: Capacity, clock: Callable[[], float] = time.monotonic) -> None:
        self.capacity = capacity
        self._clock = clock
        self._random = random.Random(0)  # noqa: S311 - jitter, and the same in each run
        self._bucket = TokenBucket(capacity.burst, clock())
        self._in_flight = 0
        self._ledger: list[tuple[float, int, float]] = []

    @property
    def is_limited(self) -> bool:
        """Whether the capacity limits anything."""
        return self.capacity != Capacity()

    async def handle(self, answer: Callable[[], Awaitable[ApiReply | None]]) -> ApiReply | None:
        """Refuse a request with 429, or call `answer` after the latency."""
        began = self._clock()
        # Counted before the check, so a refused request counts while it is answered.
        self._in_flight += 1
        reply = None
        try:
            if self._is_too_much(began):
                reply = _too_many(self.capacity.retry_after)
            else:
                await asyncio.sleep(self.capacity.seconds(self._in_flight, self._random.random()))
                reply = await answer()
        finally:
            # Also for a request that the client gave up: its handler is cancelled.
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
            # Converted as a whole, so that the limits of all fields are checked.
            changed = {**msgspec.to_builtins(self.capacity), **changes}
            self.capacity = msgspec.convert(changed, Capacity)
        except msgspec.MsgspecError as error:
            return bad_request(f"not a valid capacity: {error}").reply
        return ok(msgspec.to_builtins(self.capacity))

    def _is_too_much(self, now: float) -> bool:
        capacity = self.capacity
        if capacity.refuses:
            return True
        if capacity.in_flight and self._in_flight > capacity.in_flight * capacity.share:
            return True
        if capacity.rate is None:
            return False
        return self._bucket.take(capacity.rate * capacity.share, capacity.burst, now) > 0.0


def _too_many(retry_after: int | None) -> ApiReply:
    """429, with the text of kube-apiserver's own limit (max-in-flight)."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    message = "Too many requests, please try again later."
    return failure(_TOO_MANY, message, "TooManyRequests", {}, headers=headers)
