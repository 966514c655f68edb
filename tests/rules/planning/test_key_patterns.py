"""Patterns that remove keys, and annotations that are renamed and copied.

Covered: what an object needs, and what a pattern leaves alone. Left out: how patterns are written
(tests/model/plan), and whole runs (tests/e2e/test_key_patterns.py).
"""

from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.model.change import MetadataChange
from fleetpatch.model.fields import ABSENT, annotation, label
from fleetpatch.model.outcome import Reason
from fleetpatch.rules.planning.planner import DoesNotFit, NeedsPatch, Unchanged, goal, need, wanted
from tests.fakes import seen_job, target_of

OLD = MetadataChange(label_patterns=("old.example.com/*",))


def test_a_pattern_removes_the_objects_own_keys_and_touches_no_others() -> None:
    found = need(OLD, seen_job({"old.example.com/a": "1", "old.example.com/b": "", "app": "etl"}))

    assert found == NeedsPatch(
        before={label("old.example.com/a"): "1", label("old.example.com/b"): ""},
        wanted={label("old.example.com/a"): ABSENT, label("old.example.com/b"): ABSENT},
    )


def test_an_object_without_a_matching_key_needs_nothing() -> None:
    assert need(OLD, seen_job({"app": "etl", "old.example.comx/a": "1"})) == Unchanged(before={})


def test_a_pattern_of_labels_leaves_annotations_alone() -> None:
    seen = seen_job({"app": "etl"}, annotations={"old.example.com/a": "1"})

    assert need(OLD, seen) == Unchanged(before={})
    assert need(MetadataChange(annotation_patterns=("old.*",)), seen) == NeedsPatch(
        before={annotation("old.example.com/a"): "1"},
        wanted={annotation("old.example.com/a"): ABSENT},
    )


def test_a_key_that_the_change_names_is_not_removed_by_a_pattern() -> None:
    change = MetadataChange(
        labels={"x/set": "1"},
        rename_labels={"x/old": "x/new"},
        copy_labels={"x/source": "copied"},
        label_patterns=("x/*",),
    )
    seen = seen_job({"x/old": "o", "x/source": "s", "x/other": "r", "x/set": "0"})

    found = need(change, seen)

    assert isinstance(found, NeedsPatch)
    assert found.wanted == {
        label("x/set"): "1",
        label("x/old"): ABSENT,
        label("x/new"): "o",
        label("copied"): "s",
        label("x/other"): ABSENT,
    }


def test_the_goal_of_a_target_follows_from_its_values_before() -> None:
    target = target_of(OLD, seen_job({"old.example.com/a": "1", "app": "etl"}))

    assert goal(OLD, target) == {label("old.example.com/a"): ABSENT}


def test_a_renamed_annotation_keeps_its_value_and_a_copied_one_its_key() -> None:
    change = MetadataChange(rename_annotations={"a": "b"}, copy_annotations={"c": "d"})

    found = need(change, seen_job(annotations={"a": "1", "c": "2"}))

    assert isinstance(found, NeedsPatch)
    assert found.wanted == {
        annotation("a"): ABSENT,
        annotation("b"): "1",
        annotation("d"): "2",
    }


def test_an_annotation_is_not_copied_over_another_value() -> None:
    change = MetadataChange(copy_annotations={"a": "b"}, rename_annotations={"c": "d"})

    found = need(change, seen_job({"b": "label"}, annotations={"a": "1", "b": "2"}))

    assert isinstance(found, DoesNotFit)
    assert found.reason is Reason.CLASH
    assert found.detail == "metadata.annotations.b is already '2', but a is '1'"


def test_labels_and_annotations_of_one_name_are_moved_apart() -> None:
    change = MetadataChange(rename_annotations={"a": "b"}, rename_labels={"a": "c"})

    found = need(change, seen_job({"a": "l"}, annotations={"a": "n"}))

    assert isinstance(found, NeedsPatch)
    assert found.wanted[annotation("b")] == "n"
    assert found.wanted[label("c")] == "l"


KEYS = st.sampled_from(["x/a", "x/b", "x", "y/a", "xy", "team-1", "team"])
MAPS = st.dictionaries(KEYS, st.sampled_from(["1", "2"]))


@given(MAPS, MAPS, st.sets(st.sampled_from(["x/*", "team-*", "y*"])), st.dictionaries(KEYS, KEYS))
def test_after_the_change_no_matching_key_is_left_but_those_that_the_change_names(
    labels: dict[str, str], sets: dict[str, str], patterns: set[str], copies: dict[str, str]
) -> None:
    free = {new for new in copies.values() if new not in sets and new not in copies}
    copy = {old: new for old, new in copies.items() if new in free and old not in sets}
    change = MetadataChange(
        labels=dict(sets), copy_labels=copy, label_patterns=tuple(sorted(patterns))
    )
    before = {path: labels.get(path[-1], ABSENT) for path in change.touched_of(_document(labels))}

    after = {**labels}
    for path, value in wanted(change, before).items():
        after.pop(path[-1], None)
        if value is not ABSENT:
            after[path[-1]] = value

    named = {*sets, *copy, *copy.values()}
    beginnings = tuple(pattern.removesuffix("*") for pattern in patterns)
    for key in labels:
        removed = bool(beginnings) and key.startswith(beginnings) and key not in named
        assert (key in after) is not removed
    assert set(after) <= {*labels, *named}


def _document(labels: dict[str, str]) -> dict[str, dict[str, dict[str, str]]]:
    return {"metadata": {"labels": labels, "annotations": {}}}
