"""What the coordinator and its workers write to each other, as MessagePack.

A worker reports at least every `REPORT_INTERVAL` seconds, and the coordinator answers each report
with its orders. The calls of a lane to its journal have answers of their own. Calls and reports of
shards carry the shard's epoch: the coordinator refuses those of an older one. A worker repeats what
has no answer when its connection was cut, so each message may arrive twice: reports have a sequence
number, and a claim names the last target of the claim before it.

Secrets are in no message. The plan names the variables and files that hold them.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import msgspec

from fleetpatch.journal.rows import TargetRow
from fleetpatch.model.cause import Cause
from fleetpatch.model.outcome import Reason, Settlement
from fleetpatch.model.pace import Ceilings, Pace, PaceCause
from fleetpatch.model.resource import Resource
from fleetpatch.model.run import RunInfo
from fleetpatch.model.traffic import NO_TRAFFIC, Traffic
from fleetpatch.rules.answers.verdicts import Verdict
from fleetpatch.rules.patching.merging import RunMerging
from fleetpatch.workers.questions import Ask, ReadResult

REPORT_INTERVAL: Final = 0.5
"""Seconds between two reports of a worker that has nothing to report."""

Epoch: TypeAlias = int
"""Grows with each assignment of a shard, so that calls of its former worker are recognized."""


class Work(msgspec.Struct, frozen=True):
    """What a worker must know of a run; `merging` is how its clusters merge.

    `tables` are those that expressions look up, and `tables_digest` is the digest of their bytes.
    `read_only` sends nothing, as `PatchPolicy.read_only`. `request_timeout` is in seconds.
    """

    info: RunInfo
    merging: RunMerging = RunMerging()
    tables: bytes = b""
    tables_digest: str = ""
    read_only: bool = False
    request_timeout: float = 30.0


def digest_of_tables(tables: bytes) -> str:
    """Return the digest of the tables in a `Work`."""
    return hashlib.sha256(tables).hexdigest()


class WireFields(msgspec.Struct, frozen=True, array_like=True):
    """The fields of the settlement of a target, as in the run file; few settlements have any."""

    target: int
    replaced: str | None
    wrote: str | None


class WireRetry(msgspec.Struct, frozen=True, array_like=True):
    """A `RetryRecord`, with the id of its target."""

    target: int
    attempt: int
    http_status: int | None
    verdict: Verdict
    detail: str
    wait: float
    reason: Reason


class WirePace(msgspec.Struct, frozen=True, array_like=True):
    """A `Pace`; `ends_in` is when its pause ends, in seconds from now."""

    concurrency: int
    rate: float | None
    cause: PaceCause
    ends_in: float | None = None

    @classmethod
    def of(cls, pace: Pace, now: float) -> "WirePace":
        """Convert a pace on the monotonic clock of this process."""
        ends_in = None if pace.until is None else pace.until - now
        return cls(pace.concurrency, pace.rate, pace.cause, ends_in)

    def pace(self, now: float) -> Pace:
        """Convert to the monotonic clock of this process."""
        until = None if self.ends_in is None else now + self.ends_in
        return Pace(self.concurrency, self.rate, self.cause, until)


# From a worker


class Hello(msgspec.Struct, frozen=True, tag=True):
    """The first message on a connection; `agent` identifies one member of the session.

    `session` is the coordinator's, so that a worker of an earlier one is recognized. `worker` and
    `name` are the address and the name that Dask has for the worker.
    """

    session: str
    agent: str
    worker: str
    name: str


class FoundCluster(msgspec.Struct, frozen=True):
    """What a worker found of one cluster by itself; `problem` says what is missing."""

    name: str
    problem: str = ""
    server: str = ""
    context: str = ""
    route: str = ""
    insecure: bool = False
    warnings: tuple[str, ...] = ()


class Checked(msgspec.Struct, frozen=True, tag=True):
    """The worker has looked for the credentials of all clusters; nothing was sent to them."""

    clusters: tuple[FoundCluster, ...]


class Claim(msgspec.Struct, frozen=True, tag=True):
    """`Journal.claim` for a shard."""

    call: int
    epoch: Epoch
    limit: int
    last: int | None
    after: int


class InDoubt(msgspec.Struct, frozen=True, tag=True):
    """`Journal.in_doubt` for a shard."""

    call: int
    epoch: Epoch
    after: int
    limit: int


class Release(msgspec.Struct, frozen=True, tag=True):
    """`Journal.release` for a shard; `targets` are ids."""

    call: int
    epoch: Epoch
    targets: tuple[int, ...]


class RoundEnd(msgspec.Struct, frozen=True):
    """Why a lane has ended; see `Lane` for the attributes.

    `unfinished`: it was stopped to be continued, here or on another worker.
    """

    causes: tuple[Cause, ...] = ()
    given_up: bool = False
    has_unreadable: bool = False
    is_stopped: bool = False
    unfinished: bool = False


class ShardReport(msgspec.Struct, frozen=True):
    """What is new of one shard since the last report, and its state now.

    The `settlements` are without their fields, which are in `fields`.
    `requests` are those sent, by verb, `traffic` those that have ended, and `warnings` those of the
    server, by text. `ended` is set when the lane has ended the round `round`.
    """

    epoch: Epoch
    round: int
    in_flight: int
    pace: WirePace
    settlements: Sequence[Settlement] = ()
    fields: Sequence[WireFields] = ()
    retries: Sequence[WireRetry] = ()
    paces: Sequence[tuple[WirePace, WirePace]] = ()
    requests: Mapping[str, int] = {}
    warnings: Mapping[str, int] = {}
    ended: RoundEnd | None = None
    traffic: Traffic = NO_TRAFFIC


class Report(msgspec.Struct, frozen=True, tag=True):
    """What a worker reports of its shards.

    A report that is sent again has the same `sequence`, and a greater `sent`.
    """

    sequence: int
    sent: int
    shards: tuple[ShardReport, ...]


FromWorker: TypeAlias = Hello | Checked | Claim | InDoubt | Release | Report | ReadResult

# From the coordinator


class Welcome(msgspec.Struct, frozen=True, tag=True):
    """The answer to the first message."""

    work: Work


class Order(msgspec.Struct, frozen=True):
    """One shard of a worker: what its lane has to do.

    The lane runs once for each `round`, up to the id `last`. `stop` sends nothing more; `leave`
    does so because another worker continues. `traceparent` is the header with which PATCHes join
    the trace of the coordinator; empty without traces.
    """

    cluster: str
    epoch: Epoch
    round: int
    last: int | None
    ceilings: Ceilings
    stop: bool = False
    leave: bool = False
    traceparent: str = ""


class Orders(msgspec.Struct, frozen=True, tag=True):
    """All shards of a worker, and its right to send.

    The right lasts `right` seconds from when the worker sent the report whose `sent` is `answers`.
    0 answers no report. The report `taken`, and those before it, need not be sent again.
    """

    answers: int
    taken: int
    right: float
    shards: tuple[Order, ...]


class Answer(msgspec.Struct, frozen=True, tag=True):
    """The answer to a call; `refused` if the shard has another worker now.

    The `targets` are rows as the run file has them, `resources` those of the numbers in them.
    """

    call: int
    resources: Mapping[int, Resource] = {}
    targets: Sequence[TargetRow] = ()
    refused: bool = False


class Dismissed(msgspec.Struct, frozen=True, tag=True):
    """The worker must send nothing more for this session.

    `ended`: the session is over. Otherwise the worker was silent for too long and lost its shards;
    it may begin again.
    """

    ended: bool


FromCoordinator: TypeAlias = Welcome | Orders | Answer | Dismissed | Ask

encode: Final = msgspec.msgpack.Encoder().encode
_from_worker: Final = msgspec.msgpack.Decoder(FromWorker)
_from_coordinator: Final = msgspec.msgpack.Decoder(FromCoordinator)


def decode_from_worker(body: bytes) -> FromWorker:
    """Decode what a worker wrote. Raises msgspec.MsgspecError."""
    message: FromWorker = _from_worker.decode(body)
    return message


def decode_from_coordinator(body: bytes) -> FromCoordinator:
    """Decode what the coordinator wrote. Raises msgspec.MsgspecError."""
    message: FromCoordinator = _from_coordinator.decode(body)
    return message
