"""What is decided about a target after a 200 that shows its object.

Covered: patched, unchanged, without effect and in part; dry runs; null entries of lists; a version
that an earlier PATCH may have made. Left out: values that a server merges in its own way
(test_merges.py), decisions after a read (test_settlement.py).
"""

import pytest

from fleetpatch.model.change import BodyPatch, MetadataChange, PatchType
from fleetpatch.model.fields import ABSENT, Fields, label
from fleetpatch.model.outcome import Reason
from fleetpatch.model.target import Seen, Target, TargetId
from fleetpatch.rules.answers.acceptance import after_patch
from fleetpatch.rules.answers.settlement import after_read
from fleetpatch.rules.answers.steps import End, OnDrift, Send
from tests.fakes import JOBS, document, seen_job, seen_whole

RELABEL = MetadataChange(labels={"team": "red", "tier": "gold"})
PLANNED = seen_job({"team": "blue"}, version="10")
GOAL = {label("team"): "red", label("tier"): "gold"}
THERE = seen_job({"team": "red", "tier": "gold"}, version="12")


def test_a_200_that_shows_all_values_and_a_new_version_is_patched() -> None:
    after = seen_job({"team": "red", "tier": "gold"}, version="11")

    assert after_patch(RELABEL, GOAL, "10", after) == End(Reason.PATCHED, resource_version="11")


def test_a_200_with_the_old_version_changed_nothing() -> None:
    after = seen_job({"team": "red", "tier": "gold"}, version="10")

    assert after_patch(RELABEL, GOAL, "10", after) == End(Reason.ALREADY_SET, resource_version="10")


def test_a_200_without_the_wanted_values_is_not_effective_and_shows_both() -> None:
    ended = after_patch(RELABEL, GOAL, "10", seen_job({"team": "RED"}, version="11"))

    assert ended.reason is Reason.NOT_EFFECTIVE
    assert "metadata.labels.team is 'RED', wanted 'red'" in ended.detail
    assert "metadata.labels.tier is absent, wanted 'gold'" in ended.detail


def test_a_200_that_still_has_a_removed_label_is_not_effective() -> None:
    ended = after_patch(
        RELABEL, {label("team"): ABSENT}, "10", seen_job({"team": ""}, version="11")
    )

    assert ended.detail == "metadata.labels.team is '', wanted absent"


def test_a_dry_run_shows_whether_the_patch_would_be_effective() -> None:
    shown = seen_job({"team": "red", "tier": "gold"}, version="10")

    assert after_patch(RELABEL, GOAL, "10", shown, dry_run=True) == End(Reason.DRY_RUN)
    ended = after_patch(RELABEL, GOAL, "10", PLANNED, dry_run=True)
    assert ended.reason is Reason.NOT_EFFECTIVE


ARGS = ("spec", "args")
NULLED = BodyPatch(PatchType.MERGE, {"spec": {"args": [None, {"a": [None, 1]}]}})
NULLED_GOAL: Fields = {ARGS: [None, {"a": [None, 1]}]}


def with_args(args: object, version: str) -> Seen:
    return seen_whole(document("etl-1", "uid-1", version, spec={"args": args}))


@pytest.mark.parametrize("args", [[None, {"a": [None, 1]}], [{"a": [1]}]])
@pytest.mark.parametrize(
    ("version", "reason"), [("11", Reason.PATCHED), ("10", Reason.ALREADY_SET)]
)
def test_a_server_may_drop_null_entries_of_a_list_in_a_merge_patch(
    args: object, version: str, reason: Reason
) -> None:
    ended = after_patch(NULLED, NULLED_GOAL, "10", with_args(args, version))

    assert ended.reason is reason
    assert ended.wrote == (None if args == NULLED_GOAL[ARGS] else {ARGS: args})


def test_a_list_without_its_null_entries_is_not_as_wanted_before_a_patch_was_sent() -> None:
    planned = Target(
        TargetId(1),
        "prod-a",
        JOBS,
        "team-a",
        "etl-1",
        "uid-1",
        "10",
        {ARGS: [1]},
        wanted=NULLED_GOAL,
    )
    seen = with_args([{"a": [1]}], "11")

    ended = after_read(planned, NULLED, seen, matches=True, sent=False, on_drift=OnDrift.SKIP)

    assert isinstance(ended, Send)


def test_other_entries_of_a_list_must_not_be_missing() -> None:
    assert after_patch(NULLED, {ARGS: [1, None]}, "10", with_args([], "11")).reason is (
        Reason.NOT_EFFECTIVE
    )


def test_a_200_that_shows_half_of_the_change_records_what_was_stored() -> None:
    ended = after_patch(RELABEL, GOAL, "10", seen_job({"team": "red"}, version="11"))

    assert ended.reason is Reason.NOT_EFFECTIVE
    assert ended.wrote == {label("team"): "red", label("tier"): ABSENT}
    assert ended.detail == (
        "metadata.labels.tier is absent, wanted 'gold'; metadata.labels.team is 'red', as wanted"
    )


def test_a_dry_run_records_no_stored_values() -> None:
    ended = after_patch(RELABEL, GOAL, "10", seen_job({"team": "red"}), dry_run=True)

    assert (ended.reason, ended.wrote) == (Reason.NOT_EFFECTIVE, None)


def test_a_version_that_an_earlier_patch_of_ours_may_have_made_is_not_unchanged() -> None:
    ended = after_patch(RELABEL, GOAL, "12", THERE, sent_before=True)

    assert ended.reason is Reason.PATCHED
