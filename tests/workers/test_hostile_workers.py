"""A worker of the session that sends what no worker of ours does, by a fault or on purpose.

Covered: numbers, texts and fields that the run file could not take or give back, limits of claims,
bytes that are no text, values that are nested deeply, answers to questions of a plan. Left out:
outcomes that are wrong and well formed, since a worker has the credentials of its clusters.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.errors import (
    ClusterError,
    CredentialsError,
    FleetpatchError,
    KubeconfigError,
    Refused,
    SurroundingsError,
    UsageError,
)
from fleetpatch.journal import queries
from fleetpatch.journal.codec import text_of
from fleetpatch.model.fields import MAX_DEPTH
from fleetpatch.model.outcome import Reason
from fleetpatch.workers.channel import DisconnectedError
from fleetpatch.workers.messages import FoundCluster, WorkerReport, decode_from_worker
from fleetpatch.workers.questions import Question, ReadResult, WireEvaluated
from fleetpatch.workers.remote_cluster import RemoteCluster
from tests.fakes import JOBS, seen_job, target_with
from tests.journal.makers import draft, make
from tests.workers.coordinators import DONE, Home

_pack = msgspec.msgpack.encode
SETTLED = (1, "patched", 200, 1, 0, 1.0, "11", "")
_PLACES = ("target", "reason", "status", "attempts", "reads", "elapsed", "version", "detail")
DEEP = b"\x91" * 100_000 + b"\x90"


def settled(**values: Any) -> dict[str, Any]:
    """Return a shard with one settlement, in which these values are replaced."""
    row = [values.get(place, one) for place, one in zip(_PLACES, SETTLED, strict=True)]
    return {"settlements": [row]}


def reported(shard: Mapping[str, Any]) -> bytes:
    """Return a report with this shard."""
    known = {"epoch": 1, "round": 1, "in_flight": 0, "pace": [4, None, "work"]}
    return _pack(
        {"type": "WorkerReport", "sequence": 1, "sent": 1, "shards": [known | dict(shard)]}
    )


def nested(depth: int) -> str:
    """Return fields with a value that is nested so deeply."""
    return '[[["spec"],' + "[" * depth + "]" * depth + "]]"


@pytest.mark.parametrize(
    "shard",
    [
        settled(attempts=-1),
        settled(reads=-1),
        settled(status=-1),
        settled(status=2**64 - 1),
        settled(attempts=2**63),
        settled(elapsed=-1.0),
        settled(elapsed=float("nan")),
        settled(elapsed=float("inf")),
        settled(elapsed=1e300),
        settled(reason="done"),
        {"settlements": [[*SETTLED, {("spec",): 1}]]},
        {"settlements": [[*SETTLED, None, {("spec",): 1}]]},
        {"fields": [[1, "{", None]]},
        {"fields": [[1, None, "[[[],1]]"]]},
        {"fields": [[1, None, nested(MAX_DEPTH + 1)]]},
        {"fields": [[1, nested(100_000), None]]},
        {"requests": {"patch": -1}},
        {"requests": {"get": 2**63}},
        {"warnings": {"deprecated": -1}},
        {"traffic": [{("patch", "200"): -1}]},
        {"traffic": [{}, {-1: 1}]},
        {"traffic": [{}, {1000: 1}]},
        {"traffic": [{}, {1: -1}]},
        {"traffic": [{}, {}, float("nan")]},
        {"in_flight": -1},
        {"pace": [-1, None, "work"]},
        {"pace": [4, float("nan"), "work"]},
        {"pace": [4, None, "work", float("nan")]},
        {"retries": [[1, -1, 503, "retry", "busy", 1.0, "exhausted"]]},
        {"retries": [[1, 1, 503, "retry", "busy", float("inf"), "exhausted"]]},
    ],
    ids=lambda shard: str(shard)[:80],
)
def test_a_report_that_cannot_be_true_is_refused(shard: Mapping[str, Any]) -> None:
    decode_from_worker(reported(settled()))

    with pytest.raises(msgspec.MsgspecError):
        decode_from_worker(reported(shard))


@pytest.mark.parametrize("limit", [-1, 2**63])
@pytest.mark.parametrize("place", ["limit", "after", "last"])
@pytest.mark.parametrize("kind", ["Claim", "InDoubt"])
def test_a_call_with_numbers_that_sqlite_does_not_take_is_refused(
    kind: str, place: str, limit: int
) -> None:
    call = {"type": kind, "call": 1, "epoch": 1, "limit": 1, "after": 0, "last": None}
    decode_from_worker(_pack(call))
    if (kind, place) == ("InDoubt", "last"):
        return

    with pytest.raises(msgspec.MsgspecError):
        decode_from_worker(_pack(call | {place: limit}))


@pytest.mark.parametrize(
    "body",
    [
        reported(settled(detail="XYZZY")).replace(b"XYZZY", b"X\xed\xa0\x80Y"),
        reported({"settlements": [[*SETTLED, {("a",): "XYZZY"}]]}).replace(_pack("XYZZY"), DEEP),
        _pack({"type": "Hello", "agent": "XYZZY"}).replace(b"XYZZY", b"\xff" * 5),
    ],
    ids=["surrogates", "deep", "no UTF-8"],
)
def test_bytes_that_are_no_message_are_refused_as_any_others(body: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        decode_from_worker(body)


async def test_a_worker_that_reports_nonsense_is_disconnected_and_its_targets_can_end() -> None:
    home = Home(targets=1)
    async with home.running():
        worker, epoch = await home.started_shard()
        await worker.claim(epoch)
        for shard in ({"fields": [[1, "{", None]]} | settled(), settled(elapsed=float("nan"))):
            await worker.channel.send(reported({"epoch": epoch} | shard))
            with suppress(DisconnectedError):
                while True:
                    await worker.channel.receive()
            worker.reconnect()
            await worker.send(worker.hello)
        assert home.settled == []

        await worker.report(2, epoch, 1, ended=DONE)

    assert home.settled == [1]


_READS: Mapping[str, Callable[[RemoteCluster], Awaitable[object]]] = {
    "resources": lambda cluster: cluster.resources(),
    "namespaces": lambda cluster: cluster.namespaces(),
    "namespace objects": lambda cluster: cluster.namespace_objects(),
    "merging": lambda cluster: cluster.merging(),
    "pages": lambda cluster: anext(
        cluster.pages(JOBS, namespace=None, selector="", field_selector="")
    ),
    "evaluate": lambda cluster: cluster.evaluate(0, ()),
    "get": lambda cluster: cluster.get_with_retries(target_with(seen_job(), {}, number=1)),
}


@pytest.mark.parametrize("read", _READS.values(), ids=_READS)
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"7", b'"\xff"', b"[[[]]]", b"[" * 100_000],
    ids=lambda body: str(body[:20]),
)
async def test_an_answer_that_cannot_be_read_is_an_error_of_the_cluster(
    read: Callable[[RemoteCluster], Awaitable[object]], body: bytes
) -> None:
    async def ask(_cluster: str, _question: Question) -> ReadResult:
        return ReadResult(1, body)

    with pytest.raises(ClusterError, match="cluster north: the answer of a worker cannot be read"):
        await read(RemoteCluster(FoundCluster("north"), ask))


@pytest.mark.parametrize("values", ["{", "[[[],1]]", nested(MAX_DEPTH + 1)], ids=len)
async def test_values_of_expressions_that_cannot_be_read_are_an_error_of_the_cluster(
    values: str,
) -> None:
    async def ask(_cluster: str, _question: Question) -> ReadResult:
        return ReadResult(1, msgspec.json.encode([WireEvaluated(values=values)]))

    with pytest.raises(ClusterError, match="cluster north: the answer of a worker cannot be read"):
        await RemoteCluster(FoundCluster("north"), ask).evaluate(0, ())


@pytest.mark.parametrize(
    "name", ["__doc__", "Exit", "Exception", "PlanError", "ExpressionError", "nothing"]
)
async def test_an_error_of_no_known_class_is_one_of_the_cluster(name: str) -> None:
    async def ask(_cluster: str, _question: Question) -> ReadResult:
        return ReadResult(1, error=(name, "it failed"))

    with pytest.raises(ClusterError, match="it failed"):
        await RemoteCluster(FoundCluster("north"), ask).namespaces()


@pytest.mark.parametrize(
    "kind", [UsageError, Refused, SurroundingsError, KubeconfigError, CredentialsError]
)
async def test_an_error_of_a_known_class_keeps_it(kind: type[FleetpatchError]) -> None:
    async def ask(_cluster: str, _question: Question) -> ReadResult:
        return ReadResult(1, error=(kind.__name__, "it failed"))

    with pytest.raises(FleetpatchError, match="it failed") as caught:
        await RemoteCluster(FoundCluster("north"), ask).namespaces()
    assert type(caught.value) is kind


_numbers = st.one_of(st.none(), st.integers(-(2**63), 2**64 - 1), st.floats(width=64))
_texts = st.one_of(
    st.none(), st.just(text_of({("spec",): 1})), st.text(max_size=20), st.just(nested(MAX_DEPTH))
)


@given(
    status=_numbers,
    attempts=_numbers,
    reads=_numbers,
    elapsed=_numbers,
    version=st.none() | st.text(),
    detail=st.text(),
    reason=st.sampled_from(Reason),
    replaced=_texts,
    wrote=_texts,
)
def test_what_a_worker_reports_is_refused_or_can_be_read_from_the_run_file(
    replaced: str | None, wrote: str | None, **values: Any
) -> None:
    shard = settled(**values) | {"fields": [[1, replaced, wrote]]}
    with suppress(msgspec.MsgspecError), TemporaryDirectory() as folder:
        report = decode_from_worker(reported(shard))
        assert isinstance(report, WorkerReport)
        with make(Path(folder, "run"), [draft("etl")]) as run:
            run.claim("north", limit=1)
            run.record(report.shards[0].settlements)
            (listed,) = queries.targets(run)

            assert listed.target.name == "etl"
            assert queries.summary(run).tally.total == 1
