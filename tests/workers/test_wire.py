"""What is sent between coordinator and workers.

Covered: every field of targets, settlements and retries arrives as it was. Left out: the messages
around them (test_runs.py).
"""

from typing import Any

import msgspec

from fleetpatch.engine.attempt import RetryRecord
from fleetpatch.model.fields import ABSENT, annotation, label
from fleetpatch.model.outcome import Reason, Settlement
from fleetpatch.model.resource import Resource
from fleetpatch.model.target import EarlierWrite, Target, TargetId
from fleetpatch.rules.answers.verdicts import Verdict
from fleetpatch.workers.messages import Answer, WireFields, decode_from_coordinator, encode
from fleetpatch.workers.wire import (
    answer_of,
    retry_of,
    targets_of,
    wire_fields,
    wire_retry,
    with_fields,
    without_fields,
)

JOBS = Resource("batch", "v1", "jobs", "Job", "job", ("j",))
FIELDS = {label("team"): "red", annotation("note"): ABSENT, ("spec", "n"): {"a": [1, None]}}
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
    sent = decode_from_coordinator(encode(answer_of(1, [TARGET, TARGET])))

    assert isinstance(sent, Answer)
    assert len(sent.resources) == 1
    assert targets_of("north", sent, {}) == [TARGET, TARGET]


def test_targets_of_two_versions_of_a_kind_keep_their_own() -> None:
    older = msgspec.structs.replace(JOBS, version="v1beta1")
    targets = [TARGET, msgspec.structs.replace(TARGET, id=TargetId(8), resource=older)]
    known: dict[Resource, Resource] = {}
    for pair in (targets, targets[::-1]):
        sent = decode_from_coordinator(encode(answer_of(1, pair)))

        assert isinstance(sent, Answer)
        assert targets_of("north", sent, known) == pair


def test_a_target_without_optional_fields_arrives() -> None:
    plain = Target(TargetId(1), "north", JOBS, "", "etl", "uid", "1", {})
    sent = decode_from_coordinator(encode(answer_of(1, [plain])))

    assert isinstance(sent, Answer)
    assert targets_of("north", sent, {}) == [plain]


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
    assert retry_of(received, {7: TARGET}) == retry
    assert retry_of(received, {}) is None
