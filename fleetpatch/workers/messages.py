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
from typing import Annotated, Final, TypeAlias, TypeVar

import msgspec
from msgspec.msgpack import Decoder

from fleetpatch.journal.codec import fields_of
from fleetpatch.journal.rows import TargetRow
from fleetpatch.model.bounds import Count, Duration
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

    def __post_init__(self) -> None:
        """Raise msgspec.MsgspecError or ValueError if the run file could not be read with them."""
        for text in (self.replaced, self.wrote):
            if text is not None:
                fields_of(text)


class WireRetry(msgspec.Struct, frozen=True, array_like=True):
    """A `RetryRecord`, with the id of its target."""

    target: int
    attempt: Count
    http_status: Count | None
    verdict: Verdict
    detail: str
    wait: Duration
    reason: Reason


# No infinity and no NaN: both would be counted with. A pause may have ended a while ago.
_Rate: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=1e12)]
_Wait: TypeAlias = Annotated[float, msgspec.Meta(ge=-1e9, le=1e9)]


class WirePace(msgspec.Struct, frozen=True, array_like=True):
    """A `Pace`; `ends_in` is when its pause ends, in seconds from now."""

    concurrency: Count
    rate: _Rate | None
    cause: PaceCause
    ends_in: _Wait | None = None

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


class Claim(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """`Journal.claim` for a shard."""

    call: int
    epoch: Epoch
    limit: Count
    last: Count | None
    after: Count


class InDoubt(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """`Journal.in_doubt` for a shard."""

    call: int
    epoch: Epoch
    after: Count
    limit: Count


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
    in_flight: Count
    pace: WirePace
    settlements: Sequence[Settlement] = ()
    fields: Sequence[WireFields] = ()
    retries: Sequence[WireRetry] = ()
    paces: Sequence[tuple[WirePace, WirePace]] = ()
    requests: Mapping[str, Count] = {}
    warnings: Mapping[str, Count] = {}
    ended: RoundEnd | None = None
    traffic: Traffic = NO_TRAFFIC

    def __post_init__(self) -> None:
        """Raise ValueError for a settlement with fields, which would not be checked."""
        if any(one.replaced is not None or one.wrote is not None for one in self.settlements):
            raise ValueError("a settlement has its fields in `fields`")


class WorkerReport(msgspec.Struct, frozen=True, tag=True):
    """What a worker reports of its shards.

    A report that is sent again has the same `sequence`, and a greater `sent`.
    """

    sequence: int
    sent: int
    shards: tuple[ShardReport, ...]


FromWorker: TypeAlias = Hello | Checked | Claim | InDoubt | Release | WorkerReport | ReadResult

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
    """All shards of a worker, and for how long it may send.

    It may send for `may_send_for` seconds from when it sent the report whose `sent` is `answers`.
    0 answers no report. The report `taken`, and those before it, need not be sent again.
    """

    answers: int
    taken: int
    may_send_for: float
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
_Message = TypeVar("_Message")

encode: Final = msgspec.msgpack.Encoder().encode
_from_worker: Final[Decoder[FromWorker]] = Decoder(FromWorker)
_from_coordinator: Final[Decoder[FromCoordinator]] = Decoder(FromCoordinator)


def decode_from_worker(body: bytes) -> FromWorker:
    """Decode what a worker wrote. Raises msgspec.MsgspecError."""
    return _decoded(_from_worker, body)


def decode_from_coordinator(body: bytes) -> FromCoordinator:
    """Decode what the coordinator wrote. Raises msgspec.MsgspecError."""
    return _decoded(_from_coordinator, body)


def _decoded(decoder: Decoder[_Message], body: bytes) -> _Message:
    try:
        return decoder.decode(body)
    # msgspec raises these for a string that is not UTF-8 and for a value that is nested deeply.
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from error
