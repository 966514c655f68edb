"""What is decided after an object was read.

Covered: which values are ours once a PATCH was sent, an unrelated change, drift, a missing and a
recreated object, the removal of an absent label, the order of the questions, and overwriting.
Left out: objects that a PATCH returns (test_settlement_after_a_patch.py), 404s (test_verdicts.py).
"""

import pytest

from fleetpatch.model.change import BodyPatch, MetadataChange, PatchType, Restoration
from fleetpatch.model.fields import ABSENT, Path, label
from fleetpatch.model.outcome import Reason
from fleetpatch.model.target import EarlierWrite, Seen
from fleetpatch.rules.answers.settlement import after_read
from fleetpatch.rules.answers.steps import End, OnDrift, Send, Step, outweighs_refusal
from tests.fakes import seen_job, target_of
from tests.values import replace

RELABEL = MetadataChange(labels={"team": "red", "tier": "gold"})
PLANNED = seen_job({"team": "blue"}, version="10")
GOAL = {label("team"): "red", label("tier"): "gold"}


def step(
    seen: Seen | None,
    *,
    change: MetadataChange = RELABEL,
    planned: Seen = PLANNED,
    matches: bool = True,
    sent: bool = False,
    lost: bool = False,
    on_drift: OnDrift = OnDrift.SKIP,
) -> Step:
    target = target_of(change, planned)
    return after_read(
        target, change, seen, matches=matches, sent=sent, lost=lost, on_drift=on_drift
    )


def reason(ended: Step) -> Reason:
    assert isinstance(ended, End)
    return ended.reason


def test_after_an_unrelated_change_the_patch_is_sent_with_the_new_version() -> None:
    assert step(seen_job({"team": "blue", "other": "x"}, version="11")) == Send(GOAL, "11")


def test_a_missing_object_is_gone() -> None:
    assert step(None) == End(Reason.GONE)


def test_another_uid_is_another_object_and_both_are_named() -> None:
    ended = step(seen_job({"team": "blue"}, uid="uid-2"))

    assert reason(ended) is Reason.REPLACED
    assert isinstance(ended, End)
    assert "uid-2" in ended.detail
    assert "uid-1" in ended.detail


def test_drift_shows_planned_current_and_wanted() -> None:
    ended = step(seen_job({"team": "green"}))

    assert ended == End(
        Reason.DRIFTED, "metadata.labels.team is 'green', expected 'blue', wanted 'red'"
    )


def test_a_removed_label_and_an_added_label_are_drift() -> None:
    assert reason(step(seen_job())) is Reason.DRIFTED
    assert reason(step(seen_job({"team": "blue", "tier": "std"}))) is Reason.DRIFTED


def test_wanted_values_are_not_drift_even_if_only_some_of_them_hold() -> None:
    one = {label("team"): "red", label("tier"): ABSENT}
    assert step(seen_job({"team": "red"}, version="11")) == Send(GOAL, "11", one)
    other = {label("team"): "blue", label("tier"): "gold"}
    now = seen_job({"team": "blue", "tier": "gold"}, version="12")
    assert step(now) == Send(GOAL, "12", other)


def test_wanted_values_are_ours_if_we_may_have_sent_them() -> None:
    there = seen_job({"team": "red", "tier": "gold"}, version="11")

    assert step(there, sent=True) == End(Reason.SETTLED_BY_READING, resource_version="11")
    assert step(there, sent=False) == End(Reason.ALREADY_SET, resource_version="11")


def test_an_object_that_is_not_selected_any_more_is_not_patched() -> None:
    assert reason(step(seen_job({"team": "blue"}), matches=False)) is Reason.NO_LONGER_MATCHES


def test_a_removal_of_an_absent_label_is_already_done() -> None:
    change = MetadataChange(labels={"team": None})

    assert reason(step(seen_job(), change=change)) is Reason.ALREADY_SET


@pytest.mark.parametrize("sent", [True, False])
def test_identity_is_checked_before_the_values(sent: bool) -> None:
    recreated = seen_job({"team": "red", "tier": "gold"}, uid="uid-2")

    assert reason(step(recreated, sent=sent, matches=False)) is Reason.REPLACED


def test_the_values_are_checked_before_the_selector_that_our_patch_may_affect() -> None:
    there = seen_job({"team": "red", "tier": "gold"})

    assert reason(step(there, sent=True, matches=False)) is Reason.SETTLED_BY_READING


def test_drift_is_checked_before_the_selector_and_names_the_field() -> None:
    assert reason(step(seen_job({"team": "green"}), matches=False)) is Reason.DRIFTED


def test_a_drifted_field_is_overwritten_where_the_plan_says_so() -> None:
    drifted = seen_job({"team": "green"}, version="11")

    assert step(drifted, on_drift=OnDrift.OVERWRITE) == Send(
        GOAL, "11", replaces={label("team"): "green", label("tier"): ABSENT}
    )


def test_overwriting_does_not_include_objects_that_are_not_selected_any_more() -> None:
    ended = step(seen_job({"team": "green"}), matches=False, on_drift=OnDrift.OVERWRITE)

    assert reason(ended) is Reason.NO_LONGER_MATCHES


def test_overwriting_never_includes_a_recreated_object() -> None:
    ended = step(seen_job({"team": "green"}, uid="uid-2"), on_drift=OnDrift.OVERWRITE)

    assert reason(ended) is Reason.REPLACED


RENAME = MetadataChange(rename_labels={"owner": "team-owner"})
OWNED = seen_job({"owner": "ann"})


def test_overwriting_renames_with_the_current_value() -> None:
    now = seen_job({"owner": "bob"}, version="11")

    assert step(now, change=RENAME, planned=OWNED, on_drift=OnDrift.OVERWRITE) == Send(
        {label("owner"): ABSENT, label("team-owner"): "bob"},
        "11",
        replaces={label("owner"): "bob", label("team-owner"): ABSENT},
    )


def test_overwriting_can_clash() -> None:
    now = seen_job({"owner": "bob", "team-owner": "cem"})

    ended = step(now, change=RENAME, planned=OWNED, on_drift=OnDrift.OVERWRITE)

    assert reason(ended) is Reason.CLASH


@pytest.mark.parametrize(
    ("sent", "expected"), [(True, Reason.SETTLED_BY_READING), (False, Reason.ALREADY_SET)]
)
def test_wanted_values_that_overwriting_finds_are_ours_if_we_may_have_sent_them(
    sent: bool, expected: Reason
) -> None:
    renamed = seen_job({"team-owner": "bob"}, version="12")

    ended = step(renamed, change=RENAME, planned=OWNED, sent=sent, on_drift=OnDrift.OVERWRITE)

    assert ended == End(expected, resource_version="12")


def test_a_label_that_a_rename_found_absent_is_drift_when_it_is_added() -> None:
    change = MetadataChange(labels={"tier": "gold"}, rename_labels={"owner": "team-owner"})

    ended = step(seen_job({"owner": "ann"}), change=change, planned=seen_job())

    assert reason(ended) is Reason.DRIFTED


# What a PATCH of ours may have stored


def with_managers(seen: Seen, **managers: str) -> Seen:
    """The object with managedFields: the manager of each label."""
    entries = [
        {"manager": name, "fieldsV1": {"f:metadata": {"f:labels": {f"f:{key}": {}}}}}
        for key, name in managers.items()
    ]
    return replace(seen, managed_fields=entries)


THERE = seen_job({"team": "red", "tier": "gold"}, version="12")


def test_values_that_another_manager_wrote_are_not_ours_although_we_sent_them() -> None:
    ended = step(with_managers(THERE, team="kubectl", tier="kubectl"), sent=True)

    assert ended == End(Reason.ALREADY_SET, "written by kubectl", "12")


@pytest.mark.parametrize("managers", [{}, {"team": "fleetpatch"}, {"other": "kubectl"}])
def test_wanted_values_are_ours_if_we_or_no_manager_is_recorded(managers: dict[str, str]) -> None:
    assert reason(step(with_managers(THERE, **managers), sent=True)) is Reason.SETTLED_BY_READING


def test_the_owner_of_a_value_that_held_before_does_not_count() -> None:
    planned = seen_job({"team": "blue", "tier": "gold"}, version="10")

    ended = step(with_managers(THERE, tier="kubectl"), planned=planned, sent=True)

    assert reason(ended) is Reason.SETTLED_BY_READING


# A webhook changed the team to capitals; the rest of our patch was stored as it was sent.
HALF = with_managers(
    seen_job({"team": "RED", "tier": "gold"}, version="11"), team="fleetpatch", tier="fleetpatch"
)


def test_a_value_that_was_changed_after_a_lost_answer_is_kept_as_a_webhook_or_a_run_has_it() -> (
    None
):
    ended = step(HALF, sent=True, lost=True)

    assert isinstance(ended, End)
    assert ended.reason is Reason.NOT_EFFECTIVE
    assert ended.wrote == {label("team"): "RED", label("tier"): "gold"}


def test_after_a_conflict_such_a_value_is_drift_because_another_run_may_have_written_it() -> None:
    assert reason(step(HALF, sent=True)) is Reason.DRIFTED


@pytest.mark.parametrize("lost", [False, True])
def test_a_value_of_another_run_under_our_manager_is_drift(lost: bool) -> None:
    theirs = with_managers(seen_job({"team": "green"}, version="11"), team="fleetpatch")

    assert reason(step(theirs, sent=True, lost=lost)) is Reason.DRIFTED


def test_some_wanted_values_alone_do_not_show_that_our_patch_was_applied() -> None:
    change = MetadataChange(labels={"cost": "new", "team": None})
    planned = seen_job({"team": "blue"}, version="10")
    theirs = with_managers(seen_job({"cost": "theirs"}, version="11"), cost="kubectl")

    ended = step(theirs, change=change, planned=planned, sent=True, on_drift=OnDrift.OVERWRITE)

    assert isinstance(ended, Send)
    assert ended.replaces == {label("cost"): "theirs", label("team"): ABSENT}


def test_a_value_that_another_manager_wrote_is_drift() -> None:
    ended = step(with_managers(seen_job({"team": "RED"}, version="11"), team="kubectl"), sent=True)

    assert reason(ended) is Reason.DRIFTED


def test_drift_of_one_field_keeps_what_we_stored_in_another() -> None:
    now = with_managers(seen_job({"team": "red", "tier": "std"}), team="fleetpatch", tier="kubectl")

    ended = step(now, sent=True)

    assert isinstance(ended, End)
    assert (ended.reason, ended.wrote) == (Reason.DRIFTED, {label("team"): "red"})


def test_values_of_an_earlier_attempt_are_ours_and_undo_restores_those_before_it() -> None:
    left = {label("team"): "RED", label("tier"): ABSENT}
    before = {label("team"): "blue", label("tier"): ABSENT}
    target = replace(target_of(RELABEL, PLANNED), earlier=EarlierWrite(left, before))

    ended = after_read(
        target,
        RELABEL,
        seen_job({"team": "RED"}, version="12"),
        matches=True,
        sent=True,
        on_drift=OnDrift.SKIP,
    )

    assert ended == Send(GOAL, "12", ours={label("team"): "RED"})


APPEND = BodyPatch(PatchType.JSON, [{"op": "add", "path": "/spec/marks/-", "value": "x"}])
MARKS = ("spec", "marks")


def test_a_json_patch_is_not_sent_if_a_list_was_changed_under_our_manager() -> None:
    target = replace(
        target_of(MetadataChange(), PLANNED), before={MARKS: ["a"]}, wanted={MARKS: ["a", "x"]}
    )
    # Neither planned nor wanted, although our manager wrote it: another run may have done that.
    whole = {"metadata": {}, "spec": {"marks": ["A", "X"]}}
    owners = [{"manager": "fleetpatch", "fieldsV1": {"f:spec": {"f:marks": {}}}}]
    now = replace(PLANNED, resource_version="11", whole=whole, managed_fields=owners)

    ended = after_read(target, APPEND, now, matches=True, sent=True, on_drift=OnDrift.OVERWRITE)

    assert isinstance(ended, End)
    assert (ended.reason, ended.wrote) == (Reason.DRIFTED, None)


@pytest.mark.parametrize(
    ("read", "outweighs"),
    [
        (End(Reason.SETTLED_BY_READING), True),
        (End(Reason.GONE), True),
        (End(Reason.FORBIDDEN), False),
        (End(Reason.DRIFTED), False),
        (Send(GOAL, "11"), False),
    ],
)
def test_a_refusal_is_kept_unless_the_object_shows_more(read: Step, outweighs: bool) -> None:
    assert outweighs_refusal(read, Reason.FORBIDDEN) is outweighs


@pytest.mark.parametrize("shown", [Reason.ALREADY_SET, Reason.NOT_EFFECTIVE])
def test_what_a_200_with_an_old_object_shows_is_kept_only_if_a_read_shows_no_end(
    shown: Reason,
) -> None:
    assert not outweighs_refusal(Send(GOAL, "11"), shown)
    assert outweighs_refusal(End(Reason.DRIFTED, wrote={label("team"): "red"}), shown)
    assert outweighs_refusal(End(Reason.NOT_EFFECTIVE), shown)


def test_a_map_that_an_undo_is_to_shrink_was_not_put_back() -> None:
    path: Path = ("spec", "nodeSelector")
    left = {"zone": "a", "pool": "gpu"}
    now = replace(PLANNED, resource_version="11", whole={"spec": {"nodeSelector": left}})
    target = replace(target_of(RELABEL, PLANNED), before={path: left}, wanted={path: {"zone": "a"}})

    ended = after_read(
        target, Restoration(whole=True), now, matches=True, sent=True, on_drift=OnDrift.SKIP
    )

    assert ended == Send({path: {"zone": "a"}}, "11")
