"""The values of a target after the run, as `fleetpatch targets` lists them.

Left out: which of them undo restores (test_undo).
"""

from fleetpatch.model.change import MetadataChange
from fleetpatch.model.fields import ABSENT, Fields, label
from fleetpatch.model.outcome import Reason, Settlement
from fleetpatch.model.target import TargetId
from fleetpatch.rules.planning.result import values_after
from tests.fakes import seen_job, target_of

TEAM = label("team")
CHANGE = MetadataChange(labels={"team": "red"})
TARGET = target_of(CHANGE, seen_job({"team": "blue"}))


def after(reason: Reason, *, replaced: Fields | None = None, wrote: Fields | None = None) -> Fields:
    end = Settlement(TargetId(1), reason, replaced=replaced, wrote=wrote)
    return values_after(CHANGE, TARGET, end)


def test_a_pending_target_gets_the_wanted_values() -> None:
    assert values_after(CHANGE, TARGET, None) == {TEAM: "red"}


def test_an_applied_target_has_the_wanted_values() -> None:
    assert after(Reason.PATCHED) == {TEAM: "red"}


def test_an_applied_target_has_what_the_server_stored_instead() -> None:
    assert after(Reason.PATCHED, wrote={TEAM: "RED"}) == {TEAM: "RED"}


def test_a_target_that_was_not_changed_has_the_values_before() -> None:
    for reason in (Reason.DRIFTED, Reason.REJECTED, Reason.ALREADY_SET, Reason.EXISTS):
        assert after(reason) == {TEAM: "blue"}


def test_a_failed_target_may_have_a_part_of_the_change() -> None:
    assert after(Reason.NOT_EFFECTIVE, wrote={TEAM: ABSENT}) == {TEAM: ABSENT}


def test_a_renamed_label_keeps_the_value_that_was_overwritten() -> None:
    change = MetadataChange(rename_labels={"owner": "team"})
    target = target_of(change, seen_job({"owner": "ann"}))
    end = Settlement(TargetId(1), Reason.PATCHED, replaced={label("owner"): "bob", TEAM: ABSENT})

    assert values_after(change, target, end) == {label("owner"): ABSENT, TEAM: "bob"}
