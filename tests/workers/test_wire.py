"""What is sent between coordinator and workers.

Covered: every field of targets, settlements and retries arrives as it was. Left out: the messages
around them (test_runs.py).
"""

from collections.abc import Callable
from typing import Any

import msgspec

from fleetpatch.engine.attempt import RetryRecord
from fleetpatch.journal.codec import text_of
from fleetpatch.journal.rows import TargetRow
from fleetpatch.model.fields import ABSENT, annotation, label
from fleetpatch.model.outcome import Reason, Settlement
from fleetpatch.model.resource import Resource
from fleetpatch.model.target import EarlierWrite, Target, TargetId
from fleetpatch.rules.answers.verdicts import Verdict
from fleetpatch.workers.messages import Answer, WireFields, decode_from_coordinator, encode
from fleetpatch.workers.remote_journal import Call, RemoteJournal
from fleetpatch.workers.wire import (
    answer_of,
    retry_of,
    targets_of,
    wire_fields,
    wire_retry,
    with_fields,
    without_fields,
)
from tests.fakes import VirtualClock

JOBS = Resource("batch", "v1", "jobs", "Job", "job", ("j",))
FIELDS = {label("team"): "red", annotation("note"): ABSENT, ("spec", "n"): {"a": [1, None]}}
ROW = TargetRow(
    7,
    1,
    2,
    "team-a",
    "etl",
    "uid-7",
    "42",
    0b101,
    text_of(FIELDS),
    text_of({label("team"): "blue"}),
    text_of({label("team"): "grey"}),
    text_of({label("team"): ABSENT}),
    text_of({("spec", "n"): 5}),
)
TARGET = Target(
    TargetId(7),
    "north",
    JOBS,
    "team-a",
    "etl",
    "uid-7",
    "42",
    before=FIELDS,
    blocks=frozenset({0, 2}),
    wanted={label("team"): "blue"},
    earlier=EarlierWrite({label("team"): "grey"}, {label("team"): ABSENT}),
    computed={("spec", "n"): 5},
)
SETTLEMENT = Settlement(
    TargetId(7), Reason.PATCHED, 200, 2, 1, 3.5, "43", "said", FIELDS, {label("team"): "x"}
)


def without_defaults(made: Any) -> bool:
    """A field that keeps its default would not show that it was forgotten."""
    return all(
        getattr(made, one.name) != one.default
        for one in msgspec.structs.fields(made)
        if one.default is not msgspec.NODEFAULT
    )


def test_every_field_of_a_target_arrives() -> None:
    assert without_defaults(TARGET)
    sent = decode_from_coordinator(encode(answer_of(1, [ROW, ROW], {2: JOBS})))

    assert isinstance(sent, Answer)
    assert targets_of("north", sent.targets, sent.resources) == [TARGET, TARGET]


def test_an_answer_has_the_resources_of_its_targets_and_no_others() -> None:
    older = msgspec.structs.replace(JOBS, version="v1beta1")
    known = {1: JOBS, 2: older, 3: JOBS}
    rows = [msgspec.structs.replace(ROW, id=number, resource=number) for number in (2, 3)]

    assert answer_of(1, rows, known).resources == {2: older, 3: JOBS}


async def test_targets_of_two_versions_of_a_kind_keep_their_own_and_share_it() -> None:
    older = msgspec.structs.replace(JOBS, version="v1beta1")
    rows = [msgspec.structs.replace(ROW, id=number, resource=number) for number in (2, 3)]

    async def call(_make: Callable[[int], Call]) -> Answer:
        sent = decode_from_coordinator(encode(answer_of(1, rows, {2: older, 3: JOBS})))
        assert isinstance(sent, Answer)
        return sent

    journal = RemoteJournal(1, call, VirtualClock())
    first, second = (
        await journal.claim("north", limit=2),
        await journal.in_doubt("north", after=0, limit=2),
    )

    assert [target.resource for target in first] == [older, JOBS]
    assert [target.resource for target in second] == [older, JOBS]
    assert all(one.resource is other.resource for one, other in zip(first, second, strict=True))


def test_a_target_without_optional_fields_arrives() -> None:
    plain = Target(TargetId(1), "north", JOBS, "", "etl", "uid", "1", {})
    row = TargetRow(1, 1, 2, "", "etl", "uid", "1", 0, "[]", None, None, None, None)
    sent = decode_from_coordinator(encode(answer_of(1, [row], {2: JOBS})))

    assert isinstance(sent, Answer)
    assert targets_of("north", sent.targets, sent.resources) == [plain]


def test_every_field_of_a_settlement_arrives() -> None:
    assert without_defaults(SETTLEMENT)
    sent = without_fields(SETTLEMENT), wire_fields(SETTLEMENT)

    one, fields = msgspec.msgpack.decode(
        msgspec.msgpack.encode(sent), type=tuple[Settlement, WireFields]
    )
    assert with_fields(one, fields) == SETTLEMENT


def test_a_settlement_without_fields_is_sent_alone() -> None:
    plain = without_fields(SETTLEMENT)

    assert wire_fields(plain) is None
    assert with_fields(plain, None) is plain


def test_every_field_of_a_retry_arrives() -> None:
    retry = RetryRecord(TARGET, 3, 503, Verdict.RETRY, "busy", 1.5, Reason.WEBHOOK_UNREACHABLE)
    wired = wire_retry(retry)

    assert without_defaults(retry)
    received = msgspec.msgpack.decode(msgspec.msgpack.encode(wired), type=type(wired))
    assert retry_of(received, TARGET) == retry
