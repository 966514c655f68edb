"""The status of a run that is being carried out: what its session reports every second.

It goes through the heartbeat file, so that a reader needs no access to the run file.
"""

from collections.abc import Mapping
from typing import Self

import msgspec

from fleetpatch.model.names import namespaced_name
from fleetpatch.model.outcome import Reason
from fleetpatch.model.pace import Pace
from fleetpatch.model.run import Summary
from fleetpatch.model.text import clean
from fleetpatch.model.traffic import Traffic


class Holder(msgspec.Struct, frozen=True, rename="camel"):
    """The session that carries a run out; `since` is RFC 3339, `machine` the kernel's boot id."""

    session: str
    user: str
    host: str
    pid: int
    since: str
    machine: str
    version: str

    def __str__(self) -> str:
        if not self.pid:
            return "an unknown process"
        return clean(f"process {self.pid} of {self.user} on {self.host} (since {self.since})")


class ReasonSample(msgspec.Struct, frozen=True, rename="camel"):
    """One target that ended with a reason, and the detail of its outcome."""

    cluster: str
    kind: str
    namespace: str
    name: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.cluster} {self.kind} {namespaced_name(self.namespace, self.name)}"


class Wave(msgspec.Struct, frozen=True, rename="camel"):
    """The wave under way, counted from 1; `starts_at` is set while its beginning is awaited.

    `next_at` is when the wave after it is expected to begin; None if it is the last one, or if that
    cannot be known. Times are in seconds since the epoch.
    """

    number: int
    of: int
    starts_at: float | None = None
    next_at: float | None = None


class WorkerLoad(msgspec.Struct, frozen=True, rename="camel"):
    """What a worker does at the moment: its clusters with work, and its requests in flight."""

    clusters: int = 0
    in_flight: int = 0

    def __add__(self, other: Self) -> "WorkerLoad":
        """Return the sum of both."""
        return WorkerLoad(self.clusters + other.clusters, self.in_flight + other.in_flight)


class ClusterLoad(msgspec.Struct, frozen=True):
    """What a session does in one cluster at the moment, and has done there so far.

    `retries` are the attempts that were repeated, by the verdict on their answers.
    """

    in_flight: int
    pace: Pace
    traffic: Traffic
    retries: Mapping[str, int] = {}


class Live(msgspec.Struct, frozen=True, rename="camel"):
    """How a session gets on.

    Rates are targets that ended a second: in the last seconds (`rate_now`) and in the whole session
    (`rate_overall`), without planning, pauses and waits. `limited_by` says for each cluster what
    limits its pace. `waits_for` says what the session waits for, if it sends nothing. `ends_at` is
    when the run is expected to end, in seconds since the epoch; None if that cannot be known.
    `workers` are those that send requests, by name; empty if the session itself does.
    """

    rate_now: float
    rate_overall: float
    in_flight: int
    limited_by: Mapping[str, str]
    waits_for: str = ""
    wave: Wave | None = None
    ends_at: float | None = None
    workers: Mapping[str, WorkerLoad] = {}


class StatusReport(msgspec.Struct, frozen=True, rename="camel"):
    """What a session writes into its heartbeat: all that `status` shows of a live run."""

    summary: Summary
    live: Live
    samples: Mapping[Reason, ReasonSample] = {}


class Status(msgspec.Struct, frozen=True):
    """All that `status` shows of a run.

    `holder` is the session that carries it out, and `live` what that session reports, `age` seconds
    ago; None if there is none. `samples` are one target for each reason.
    """

    summary: Summary
    holder: Holder | None = None
    live: Live | None = None
    age: float = 0.0
    samples: Mapping[Reason, ReasonSample] = {}
