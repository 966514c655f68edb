"""What one object needs.

Covered: labels and annotations set and removed, renames with all combinations of old and new key,
the merge patch with its guards and with keys that contain `/`, `.` and `~`; as properties, that a
patch applied by the rules of RFC 7386 sets every wanted value and changes nothing else, and that
the object needs nothing afterwards.
Left out: how a server applies it (the tests against the real API server do that).
"""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.model.change import BodyPatch, MetadataChange, PatchType
from fleetpatch.model.fields import ABSENT, Fields, annotation, label
from fleetpatch.model.outcome import Reason
from fleetpatch.model.target import Seen
from fleetpatch.rules.patching.patch_body import request
from fleetpatch.rules.planning.planner import DoesNotFit, NeedsPatch, Unchanged, need, wanted
from tests.fakes import seen_job, target_of
from tests.rfc7386 import merged


def decoded(goal: Fields, version: str | None = "10") -> Any:
    change = MetadataChange()
    sent = request(change, target_of(change, seen_job()), goal, version)
    assert sent.type is PatchType.MERGE
    return msgspec.json.decode(sent.body)


def test_a_label_with_another_value_is_set() -> None:
    change = MetadataChange(labels={"team": "red"})

    assert need(change, seen_job({"team": "blue", "app": "etl"})) == NeedsPatch(
        before={label("team"): "blue"}, wanted={label("team"): "red"}
    )


def test_the_before_value_of_a_missing_label_is_its_absence() -> None:
    assert need(MetadataChange(labels={"team": "red"}), seen_job()).before == {
        label("team"): ABSENT
    }


def test_an_empty_label_is_not_an_absent_one() -> None:
    change = MetadataChange(labels={"team": None})

    assert need(change, seen_job({"team": ""})) == NeedsPatch(
        before={label("team"): ""}, wanted={label("team"): ABSENT}
    )


def test_an_object_with_the_wanted_values_needs_nothing() -> None:
    change = MetadataChange(labels={"team": "red", "old": None}, annotations={"note": "x"})

    found = need(change, seen_job({"team": "red"}, annotations={"note": "x"}))

    assert isinstance(found, Unchanged)
    assert found.before[label("old")] is ABSENT


def test_a_patch_also_carries_values_that_already_hold() -> None:
    change = MetadataChange(labels={"team": "red", "tier": "gold"})

    found = need(change, seen_job({"team": "red"}))

    assert isinstance(found, NeedsPatch)
    assert found.wanted == {label("team"): "red", label("tier"): "gold"}


def test_labels_and_annotations_with_the_same_name_are_two_fields() -> None:
    change = MetadataChange(labels={"note": "label"}, annotations={"note": None})

    assert wanted(change, {}) == {label("note"): "label", annotation("note"): ABSENT}


def test_a_rename_keeps_each_objects_value() -> None:
    change = MetadataChange(rename_labels={"owner": "team-owner"})

    for value in ("ann", "bob", ""):
        found = need(change, seen_job({"owner": value}))
        assert isinstance(found, NeedsPatch)
        assert found.wanted == {label("owner"): ABSENT, label("team-owner"): value}


def test_an_object_without_the_old_key_is_not_changed() -> None:
    change = MetadataChange(rename_labels={"owner": "team-owner"})

    # For example an object that an earlier run has renamed already.
    assert isinstance(need(change, seen_job({"team-owner": "ann"})), Unchanged)
    assert isinstance(need(change, seen_job()), Unchanged)


def test_a_rename_onto_the_same_value_only_removes_the_old_key() -> None:
    change = MetadataChange(rename_labels={"owner": "team-owner"})

    found = need(change, seen_job({"owner": "ann", "team-owner": "ann"}))

    assert isinstance(found, NeedsPatch)
    assert found.wanted == {label("owner"): ABSENT, label("team-owner"): "ann"}


def test_a_rename_onto_another_value_clashes_and_names_both() -> None:
    change = MetadataChange(rename_labels={"owner": "team-owner"})

    found = need(change, seen_job({"owner": "ann", "team-owner": "bob"}))

    assert isinstance(found, DoesNotFit)
    assert found.reason is Reason.CLASH
    assert found.before == {label("owner"): "ann", label("team-owner"): "bob"}
    assert "metadata.labels.team-owner" in found.detail
    assert "'ann'" in found.detail
    assert "'bob'" in found.detail


def test_the_merge_patch_names_removed_labels_with_null() -> None:
    sent = decoded({label("team"): ABSENT, label("tier"): "gold"})

    assert sent["metadata"]["labels"] == {"team": None, "tier": "gold"}


def test_the_merge_patch_is_guarded_by_version_or_by_uid() -> None:
    goal = {label("team"): "red"}

    assert decoded(goal, "17")["metadata"] == {"labels": {"team": "red"}, "resourceVersion": "17"}
    assert decoded(goal, None)["metadata"] == {"labels": {"team": "red"}, "uid": "uid-1"}


def test_keys_with_slashes_dots_and_tildes_stay_one_key() -> None:
    key = "fleet.example.com/~campaign"

    assert decoded({annotation(key): "q4"})["metadata"]["annotations"] == {key: "q4"}


KEYS = st.sampled_from(["app", "team", "owner", "fleet.example.com/owner", "x~1y"])
VALUES = st.sampled_from(["", "a", "b", "true", "5"])
LABELS = st.dictionaries(KEYS, VALUES)


@st.composite
def changes(draw: st.DrawFn) -> MetadataChange:
    """A change that does not name a label key twice; the plan file's checks ensure this."""
    keys = draw(st.permutations(["app", "team", "owner", "fleet.example.com/owner", "x~1y"]))
    renames = draw(st.integers(0, 2))
    labels = keys[2 * renames : draw(st.integers(2 * renames, 5))]
    return MetadataChange(
        labels={key: draw(st.none() | VALUES) for key in labels},
        annotations=draw(st.dictionaries(KEYS, st.none() | VALUES, max_size=2)),
        rename_labels={keys[2 * i]: keys[2 * i + 1] for i in range(renames)},
    )


def patched(seen: Seen, goal: Fields) -> Seen:
    # Not by `rules.patching.merge_patch`: the RFC's own algorithm proves the patch without it.
    metadata = merged(seen.document(), decoded(goal))["metadata"]
    return seen_job(metadata.get("labels", {}), annotations=metadata.get("annotations", {}))


@given(changes(), LABELS, LABELS)
def test_the_merge_patch_sets_the_wanted_values_and_changes_nothing_else(
    change: MetadataChange, labels: dict[str, str], annotations: dict[str, str]
) -> None:
    seen = seen_job(labels, annotations=annotations)
    found = need(change, seen)
    if not isinstance(found, NeedsPatch):
        return

    after = patched(seen, found.wanted)

    assert all(after.value(path) == value for path, value in found.wanted.items())
    for path in {*map(label, labels), *map(annotation, annotations)} - set(found.wanted):
        assert after.value(path) == seen.value(path)
    assert isinstance(need(change, after), Unchanged)


@given(changes(), LABELS, LABELS)
def test_the_wanted_values_follow_from_the_before_values_alone(
    change: MetadataChange, labels: dict[str, str], annotations: dict[str, str]
) -> None:
    found = need(change, seen_job(labels, annotations=annotations))

    assert set(found.before) == set(change.touched)
    if isinstance(found, NeedsPatch):
        assert wanted(change, found.before) == found.wanted


def test_a_copied_label_keeps_each_objects_own_value_and_the_old_key() -> None:
    change = MetadataChange(copy_labels={"owner": "team-owner"})

    assert need(change, seen_job({"owner": "ann"})) == NeedsPatch(
        before={label("owner"): "ann", label("team-owner"): ABSENT},
        wanted={label("team-owner"): "ann"},
    )
    assert isinstance(need(change, seen_job()), Unchanged)
    assert isinstance(need(change, seen_job({"owner": "ann", "team-owner": "ann"})), Unchanged)


def test_a_label_is_not_copied_over_another_value() -> None:
    change = MetadataChange(copy_labels={"owner": "team-owner"})

    found = need(change, seen_job({"owner": "ann", "team-owner": "bob"}))

    assert isinstance(found, DoesNotFit)
    assert found.reason is Reason.CLASH


def test_fields_that_only_name_the_kind_are_not_a_change() -> None:
    # The items of some lists have no apiVersion and kind.
    head = {"apiVersion": "batch/v1", "kind": "Job"}
    change = BodyPatch(PatchType.MERGE, {**head, "metadata": {"labels": {"team": "red"}}})
    listed = Seen("n", "j", "u", "1", whole={"metadata": {"labels": {"team": "red"}}})

    assert isinstance(need(change, listed), Unchanged)


def keeping(**labels: str | None) -> MetadataChange:
    return MetadataChange(labels=labels, keeps_existing=True)


def test_an_object_that_has_another_value_does_not_fit_a_change_that_keeps_it() -> None:
    found = need(keeping(team="red", tier="gold"), seen_job({"team": "blue"}))

    assert isinstance(found, DoesNotFit)
    assert found.reason is Reason.EXISTS
    assert found.detail == "metadata.labels.team is already 'blue'"


def test_absent_and_equal_values_and_removals_fit_a_change_that_keeps_values() -> None:
    seen = seen_job({"same": "x", "old": "y"})

    found = need(keeping(new="1", same="x", old=None), seen)

    assert isinstance(found, NeedsPatch)
    assert found.wanted == {label("new"): "1", label("same"): "x", label("old"): ABSENT}


def test_an_empty_label_is_another_value() -> None:
    assert isinstance(need(keeping(team="red"), seen_job({"team": ""})), DoesNotFit)
