"""What has become of an applied target: which values count, and who owns the fields now.

Covered: labels and annotations set, removed, renamed; patch bodies, undos, values that the server
stored in another form, overwritten drift, deep and undecodable objects, owners of fields.
"""

from typing import Any

import pytest

from fleetpatch.model.change import BodyPatch, Change, MetadataChange, PatchType, Restoration
from fleetpatch.model.fields import Fields, label
from fleetpatch.model.outcome import Reason, Settlement
from fleetpatch.model.target import Seen, TargetId
from fleetpatch.model.verification import Verified, VerifyResult
from fleetpatch.rules.answers.verification import verify
from tests.fakes.samples import seen_job, target_of, target_with

TEAM = label("team")
RED = MetadataChange(labels={"team": "red"})
BODY = BodyPatch(PatchType.MERGE, {"spec": {"parallelism": 2}})
NOON = 1_772_366_400.0


def settled(**fields: Any) -> Settlement:
    return Settlement(TargetId(1), Reason.PATCHED, **fields)


def found(
    change: Change, before: Seen, now: Seen | None, *, wanted: Fields | None = None, **fields: Any
) -> Verified:
    """Verify a target that was `before`, whose object is `now`."""
    if isinstance(change, MetadataChange):
        return verify(change, target_of(change, before), settled(**fields), now)
    paths = wanted or {}
    values = {path: before.value(path) for path in paths}
    return verify(change, target_with(before, values, wanted), settled(**fields), now)


def whole(spec: Any) -> Seen:
    return Seen("team-a", "etl-1", "uid-1", "11", whole={"metadata": {}, "spec": spec})


@pytest.mark.parametrize(
    ("before", "now", "result"),
    [
        ({"team": "blue"}, {"team": "red"}, VerifyResult.HOLDS),
        ({"team": "blue"}, {"team": "red", "more": "x"}, VerifyResult.HOLDS),
        ({"team": "blue"}, {"team": "blue"}, VerifyResult.REVERTED),
        ({}, {}, VerifyResult.REVERTED),
        ({"team": ""}, {"team": ""}, VerifyResult.REVERTED),
        ({"team": "blue"}, {"team": "green"}, VerifyResult.CHANGED),
        ({"team": "blue"}, {}, VerifyResult.CHANGED),
        ({}, {"team": ""}, VerifyResult.CHANGED),
    ],
)
def test_a_label_holds_was_put_back_or_has_a_third_value(
    before: dict[str, str], now: dict[str, str], result: VerifyResult
) -> None:
    assert found(RED, seen_job(before), seen_job(now, version="11")).result is result


@pytest.mark.parametrize(
    ("now", "result"),
    [
        ({}, VerifyResult.HOLDS),
        ({"team": "blue"}, VerifyResult.REVERTED),
        ({"team": "green"}, VerifyResult.CHANGED),
    ],
)
def test_a_removed_label_holds_while_it_is_absent(
    now: dict[str, str], result: VerifyResult
) -> None:
    removal = MetadataChange(labels={"team": None})
    assert found(removal, seen_job({"team": "blue"}), seen_job(now)).result is result


@pytest.mark.parametrize(
    ("now", "result"),
    [
        ({"owner": "blue"}, VerifyResult.HOLDS),
        ({"team": "blue"}, VerifyResult.REVERTED),
        ({"team": "blue", "owner": "blue"}, VerifyResult.REVERTED),
        ({"owner": "green"}, VerifyResult.CHANGED),
    ],
)
def test_a_renamed_label_holds_under_its_new_key_alone(
    now: dict[str, str], result: VerifyResult
) -> None:
    rename = MetadataChange(rename_labels={"team": "owner"})
    assert found(rename, seen_job({"team": "blue"}), seen_job(now)).result is result


def test_annotations_and_patterns_are_compared_as_labels_are() -> None:
    change = MetadataChange(annotation_patterns=("old/*",))
    before = seen_job(annotations={"old/a": "1", "old/b": "2"})

    assert found(change, before, seen_job()).result is VerifyResult.HOLDS
    back = found(change, before, seen_job(annotations={"old/a": "1"}))
    assert back.result is VerifyResult.REVERTED
    assert back.detail == "metadata.annotations.\"old/a\" is '1', and the run left absent"


def test_one_field_that_was_put_back_is_enough() -> None:
    change = MetadataChange(labels={"team": "red", "tier": "gold"})
    before = seen_job({"team": "blue", "tier": "tin"})

    mixed = found(change, before, seen_job({"team": "blue", "tier": "iron"}))

    assert mixed.result is VerifyResult.REVERTED
    assert "tier" not in mixed.detail


def test_a_field_that_was_as_wanted_before_is_never_reverted() -> None:
    change = MetadataChange(labels={"team": "red", "tier": "gold"})
    before = seen_job({"team": "red", "tier": "tin"})

    now = found(change, before, seen_job({"team": "blue", "tier": "gold"}))

    assert now.result is VerifyResult.CHANGED


def test_an_object_that_does_not_exist_is_gone_and_another_one_of_its_name_replaced_it() -> None:
    before = seen_job({"team": "blue"})

    assert found(RED, before, None) == Verified(VerifyResult.GONE)
    again = found(RED, before, seen_job({"team": "red"}, uid="uid-2"))
    assert again == Verified(VerifyResult.REPLACED, detail="uid is uid-2, expected uid-1")


@pytest.mark.parametrize(
    ("now", "result"),
    [
        ({"parallelism": 2}, VerifyResult.HOLDS),
        ({"parallelism": 2.0, "completions": 9}, VerifyResult.HOLDS),
        ({"parallelism": 1}, VerifyResult.REVERTED),
        ({"parallelism": 3}, VerifyResult.CHANGED),
        ({"parallelism": True}, VerifyResult.CHANGED),
        (None, VerifyResult.CHANGED),
    ],
)
def test_the_fields_of_a_body_are_compared_as_a_server_compares_them(
    now: Any, result: VerifyResult
) -> None:
    wanted: Fields = {("spec", "parallelism"): 2}
    before = whole({"parallelism": 1})
    assert found(BODY, before, whole(now), wanted=wanted).result is result


def test_a_map_of_a_body_may_have_more_entries_and_after_an_undo_it_may_not() -> None:
    wanted: Fields = {("spec", "limits"): {"cpu": "1"}}
    before, now = whole({"limits": {"cpu": "2"}}), whole({"limits": {"cpu": "1", "memory": "1Gi"}})

    assert found(BODY, before, now, wanted=wanted).result is VerifyResult.HOLDS
    undone = found(Restoration(whole=True), before, now, wanted=wanted)
    assert undone.result is VerifyResult.CHANGED


def test_what_the_server_stored_of_the_change_counts_and_not_what_was_sent() -> None:
    before = seen_job({"team": "blue"})
    stored = {TEAM: "red-normalized"}

    holds = found(RED, before, seen_job({"team": "red-normalized"}), wrote=stored)
    sent = found(RED, before, seen_job({"team": "red"}), wrote=stored)

    assert holds.result is VerifyResult.HOLDS
    assert sent.result is VerifyResult.CHANGED


def test_drift_that_was_overwritten_is_what_a_writer_puts_back() -> None:
    before, drifted = seen_job({"team": "blue"}), {TEAM: "green"}

    back = found(RED, before, seen_job({"team": "green"}), replaced=drifted)
    planned = found(RED, before, seen_job({"team": "blue"}), replaced=drifted)

    assert back.result is VerifyResult.REVERTED
    assert planned.result is VerifyResult.CHANGED


def test_an_object_whose_fields_cannot_be_read_is_unread_and_says_why() -> None:
    now = Seen("team-a", "etl-1", "uid-1", "11", unreadable="the object cannot be decoded")

    unread = found(BODY, whole({"parallelism": 1}), now, wanted={("spec", "parallelism"): 2})

    assert unread == Verified(VerifyResult.UNREAD, detail="the object cannot be decoded")


def managed(labels: dict[str, str], *entries: dict[str, Any]) -> Seen:
    return Seen("team-a", "etl-1", "uid-1", "11", labels, managed_fields=list(entries))


def entry(manager: str, *keys: str, time: Any = "2026-03-01T12:00:00Z") -> dict[str, Any]:
    fields: Any = {"f:metadata": {"f:labels": {f"f:{key}": {} for key in keys}}}
    return {"manager": manager, "operation": "Update", "time": time, "fieldsV1": fields}


def test_the_owner_of_the_field_now_is_named_with_the_time_of_its_write() -> None:
    now = managed(
        {"team": "blue"}, entry("fleetpatch", "tier"), entry("flux", "team"), entry("other", "x")
    )

    back = found(RED, seen_job({"team": "blue"}), now)

    assert (back.manager, back.since) == ("flux", NOON)


def test_of_several_owners_the_one_that_wrote_last_is_named() -> None:
    now = managed(
        {"team": "red"},
        entry("fleetpatch", "team", time="2026-03-01T11:00:00Z"),
        entry("argocd", "team"),
        entry("early", "team", time=None),
    )

    assert found(RED, seen_job({"team": "blue"}), now).manager == "argocd"


def test_a_removal_leaves_no_trace_so_no_manager_is_named() -> None:
    whole_map = {"manager": "flux", "fieldsV1": {"f:metadata": {"f:labels": {".": {}}}}}

    gone = found(RED, seen_job({}), managed({}, whole_map, entry("fleetpatch", "tier")))

    assert gone == Verified(
        VerifyResult.REVERTED, detail="metadata.labels.team is absent, and the run left 'red'"
    )


@pytest.mark.parametrize(
    "time", [None, 7, "noon", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23"]
)
def test_a_time_that_is_not_valid_is_not_known(time: Any) -> None:
    back = found(
        RED, seen_job({"team": "blue"}), managed({"team": "blue"}, entry("flux", "team", time=time))
    )
    assert (back.manager, back.since) == ("flux", None)


@pytest.mark.parametrize("managed_fields", [None, {}, [7], [{"manager": 7}], [{"manager": "x"}]])
def test_managed_fields_of_any_shape_name_no_manager(managed_fields: Any) -> None:
    now = Seen("team-a", "etl-1", "uid-1", "11", {"team": "blue"}, managed_fields=managed_fields)
    assert found(RED, seen_job({"team": "blue"}), now).manager == ""


def test_a_long_value_and_control_characters_of_a_server_are_cut_and_removed() -> None:
    now = managed({"team": "\x1b[31m" + "x" * 5000}, entry("f\x07lux", "team"))

    changed = found(RED, seen_job({"team": "blue"}), now)

    assert len(changed.detail) <= 520
    assert changed.manager.isprintable()


def test_fields_that_nothing_owns_hold_without_a_manager() -> None:
    assert found(RED, seen_job({}), seen_job({"team": "red"})) == Verified(VerifyResult.HOLDS)


ENTRY: Any = {"name": "c", "image": "i"}


@pytest.mark.parametrize(
    ("before", "left", "now", "result"),
    [
        # What the run removed is there again.
        ([{**ENTRY, "env": [1]}], [ENTRY], [{**ENTRY, "env": [1]}], VerifyResult.REVERTED),
        ({"a": 1, "b": 2}, {"a": 1}, {"a": 1, "b": 2}, VerifyResult.REVERTED),
        # With another value it is another change.
        ([{**ENTRY, "env": [1]}], [ENTRY], [{**ENTRY, "env": [2]}], VerifyResult.CHANGED),
        # What the run added is gone, or has another value.
        ([ENTRY], [{**ENTRY, "env": [1]}], [ENTRY], VerifyResult.REVERTED),
        ([ENTRY], [{**ENTRY, "env": [1]}], [{**ENTRY, "env": [2]}], VerifyResult.CHANGED),
        # What was there neither before nor after is another writer's, beside our change.
        ([{**ENTRY, "env": [1]}], [ENTRY], [{**ENTRY, "args": [1]}], VerifyResult.HOLDS),
        ([], [ENTRY], [{**ENTRY, "resources": {}}], VerifyResult.HOLDS),
    ],
)
def test_a_removal_within_a_field_holds_while_it_is_not_reverted(
    before: Any, left: Any, now: Any, result: VerifyResult
) -> None:
    wanted: Fields = {("spec", "l"): left}

    assert found(BODY, whole({"l": before}), whole({"l": now}), wanted=wanted).result is result


def test_defaults_that_the_answer_showed_are_no_reversion() -> None:
    before, stored = [{**ENTRY, "n": 1}], [{**ENTRY, "image": "new", "n": 1}]
    wanted: Fields = {("spec", "l"): [{"name": "c", "image": "new"}]}

    holds = found(
        BODY,
        whole({"l": before}),
        whole({"l": stored}),
        wanted=wanted,
        wrote={("spec", "l"): stored},
    )

    assert holds.result is VerifyResult.HOLDS
