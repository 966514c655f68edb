"""The pace of one cluster: what a plan allows, and what it is at the moment."""

from enum import StrEnum

import msgspec


class Ceilings(msgspec.Struct, frozen=True):
    """What a plan allows: requests a second with `burst` at once, and requests in flight."""

    rate: float | None = None
    burst: int = 1
    concurrency: int = 1_000_000
    adaptive: bool = False


class PaceCause(StrEnum):
    """What limits the pace."""

    STARTING = "starting"  # the requests in flight still double
    LATENCY = "latency"  # more in flight would only make the server slower
    REFUSALS = "refusals"  # more would be refused
    RETRY_AFTER = "retry-after"  # nearly nothing is accepted, and all requests pause
    FAILING = "failing"  # for seconds no request was answered, or all have failed
    BACKOFF = "backoff"  # targets that were refused wait until they may be sent again
    RATE = "rate"  # the plan's ceiling
    CONCURRENCY = "concurrency"  # the plan's ceiling
    WORK = "work"  # nothing: too few requests wait


class Pace(msgspec.Struct, frozen=True):
    """Requests in flight and a second at most (None: any number); `until`: when a pause ends."""

    concurrency: int
    rate: float | None
    cause: PaceCause
    until: float | None = None
