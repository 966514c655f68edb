"""Apply, then undo: every touched field is as it was before, its absence included.

Covered, for labels, annotations, renamed labels, merge, strategic and JSON patches over arbitrary
objects: undo restores the object, the undo of the undo makes the change again, changes of other
fields by other writers stay, changes of our fields by other writers stay (`drifted`), and undo
restores the values that an overwriting run replaced. Left out: run files and servers
(tests/e2e/test_undo.py).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from fleetpatch.model.change import (
    BodyPatch,
    Change,
    MetadataChange,
    PatchType,
    PlanChange,
    Restoration,
    reads_whole,
)
from fleetpatch.model.equality import deep_equal
from fleetpatch.model.fields import ABSENT, Json
from fleetpatch.model.outcome import OUTCOME_OF, Outcome, Reason, Settlement
from fleetpatch.model.target import Seen, Target
from fleetpatch.rules.answers.acceptance import after_patch
from fleetpatch.rules.answers.settlement import after_read
from fleetpatch.rules.answers.steps import End, OnDrift, Send
from fleetpatch.rules.patching.json_patch import InapplicableError, json_patched
from fleetpatch.rules.patching.merge_patch import merge_patched
from fleetpatch.rules.patching.patch_body import request
from fleetpatch.rules.patching.strategic_patch import strategic_patched
from fleetpatch.rules.planning.planner import NeedsPatch, goal, need
from fleetpatch.rules.planning.undo import values_to_restore
from tests.fakes import JOB_RULES, document, seen_whole, target_with

# Few keys and values, so that objects, patches and other writers often meet in the same fields.
KEYS = st.sampled_from("abcd")
TEXTS = st.dictionaries(KEYS, st.sampled_from(["", "x", "y"]), max_size=3)
SCALARS = st.booleans() | st.integers(0, 2) | st.sampled_from(["x", "y", 1.0, -0.0])
VALUES = st.recursive(
    SCALARS | st.lists(SCALARS, max_size=3),
    lambda inner: st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
SPECS = st.dictionaries(KEYS, VALUES, max_size=3)
NULL_OR_Z = st.none() | st.just("z")
# Maps are not empty: an empty map in a patch changes nothing, and such examples are rejected.
NULLABLE = st.recursive(
    st.none() | SCALARS | st.lists(SCALARS, max_size=3),
    lambda inner: st.dictionaries(KEYS, inner, min_size=1, max_size=3),
    max_leaves=6,
)


@st.composite
def objects(draw: st.DrawFn) -> Any:
    made = document("etl-1", "uid-1", spec=draw(SPECS))
    for name in ("labels", "annotations"):
        if texts := draw(TEXTS):
            made["metadata"][name] = texts
    return made


# Distinct keys, because a plan that writes a key twice is refused.
METADATA_CHANGES = st.builds(
    lambda keys, values, annotations, renames: MetadataChange(
        labels=dict(zip(keys[2 * renames : 3], values, strict=False)),
        annotations=annotations,
        rename_labels={keys[0]: keys[1]} if renames else {},
    ),
    st.permutations("abcd"),
    st.lists(NULL_OR_Z, min_size=3, max_size=3),
    st.dictionaries(KEYS, NULL_OR_Z, max_size=2),
    st.integers(0, 1),
)

SPEC_BODIES = st.dictionaries(KEYS, NULLABLE, min_size=1, max_size=3)
LABEL_BODIES = st.fixed_dictionaries(
    {"labels": st.dictionaries(KEYS, NULL_OR_Z, min_size=1, max_size=2)}
)
# Not empty either.
BODIES = st.fixed_dictionaries(
    {"spec": SPEC_BODIES}, optional={"metadata": LABEL_BODIES}
) | st.fixed_dictionaries({"metadata": LABEL_BODIES})


def operations(whole: Json) -> st.SearchStrategy[dict[str, Any]]:
    """One operation of a JSON Patch that fits the object, unless those before it changed that."""
    there = sorted(_pointers("/spec", whole["spec"]))
    made = st.sampled_from(sorted(set(_places("/spec", whole["spec"]))))
    adding = st.fixed_dictionaries({"op": st.just("add"), "path": made, "value": VALUES})
    if not there:
        return adding
    known = st.sampled_from(there)
    copying = {"op": st.sampled_from(["move", "copy"]), "from": known, "path": made | known}
    return st.one_of(
        adding,
        st.fixed_dictionaries({"op": st.just("replace"), "path": known, "value": VALUES}),
        st.fixed_dictionaries({"op": st.just("remove"), "path": known}),
        st.fixed_dictionaries(copying),
    )


def _pointers(start: str, value: Any) -> Iterator[str]:
    """The pointers to all that a value holds."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in inner:
        yield f"{start}/{key}"
        if isinstance(one, dict | list):
            yield from _pointers(f"{start}/{key}", one)


def _places(start: str, value: Any) -> Iterator[str]:
    """The pointers to places where something can be added."""
    yield from (f"{start}/{key}" for key in ("abcd" if isinstance(value, dict) else "0-"))
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in inner:
        if isinstance(one, dict | list):
            yield from _places(f"{start}/{key}", one)


MERGES = st.builds(BodyPatch, st.just(PatchType.MERGE), BODIES)
STRATEGIC_MERGES = st.builds(
    lambda metadata: BodyPatch(PatchType.STRATEGIC, {"metadata": metadata}), LABEL_BODIES
)
CHANGES: dict[str, Callable[[Json], st.SearchStrategy[PlanChange]]] = {
    "labels": lambda _: METADATA_CHANGES,
    "merge": lambda _: MERGES,
    "strategic": lambda _: STRATEGIC_MERGES,
    "json": lambda whole: st.builds(
        BodyPatch,
        st.just(PatchType.JSON),
        st.lists(operations(whole), min_size=1, max_size=3),
    ),
}


def planned(change: PlanChange, whole: Json) -> Target:
    """The target that a survey makes of an object; an object that needs no patch is rejected."""
    found = need(change, seen_whole(whole), JOB_RULES)
    if not isinstance(found, NeedsPatch) or None in all_values(found.wanted):
        reject()
    # As in the run file: wanted values that follow from those before are not stored.
    kept = None if isinstance(change, MetadataChange) else found.wanted
    return target_with(seen_whole(whole), found.before, kept)


def pruned(value: Any) -> Any:
    """A value without empty maps: the parents of a removed field may stay."""
    if not isinstance(value, dict):
        return value
    inner = {key: pruned(one) for key, one in value.items()}
    return {key: one for key, one in inner.items() if one != {}}


def all_values(value: Any) -> Iterator[Any]:
    """A value and all values in it."""
    yield value
    inner = value.values() if isinstance(value, Mapping) else value
    if isinstance(inner, Iterable) and not isinstance(inner, str):
        for one in inner:
            yield from all_values(one)


def sent(change: Change, target: Target, send: Send, whole: Json) -> tuple[Json, Settlement]:
    """The object after a PATCH, and its settlement in the run file."""
    made = request(change, target, send.goal, send.resource_version)
    body = msgspec.json.decode(made.body)
    match made.type:
        case PatchType.MERGE:
            after = merge_patched(whole, body)
        case PatchType.STRATEGIC:
            after = strategic_patched(whole, body, JOB_RULES)
        case PatchType.JSON:
            after = json_patched(whole, body)
    assert after["metadata"]["resourceVersion"] == whole["metadata"]["resourceVersion"]
    after = written(after)
    end = after_patch(change, send.goal, send.resource_version, seen_whole(after))
    assert end.reason is Reason.PATCHED
    wrote = end.wrote or (send.goal if send.replaces is not None else None)
    return after, Settlement(
        target.id,
        end.reason,
        resource_version=end.resource_version,
        replaced=send.replaces,
        wrote=wrote,
    )


def applied(change: Change, target: Target, whole: Json) -> tuple[Json, Settlement]:
    return sent(change, target, Send(goal(change, target), target.resource_version), whole)


def written(whole: Json) -> Json:
    """The object with a new version, and without the empty maps that a server drops."""
    metadata = dict(whole["metadata"])
    metadata["resourceVersion"] = str(int(metadata["resourceVersion"]) + 1)
    for name in ("labels", "annotations"):
        texts = {key: text or "" for key, text in metadata.pop(name, {}).items()}
        if texts:
            metadata[name] = texts
    return {**whole, "metadata": metadata}


def undo_of(change: Change, target: Target, settlement: Settlement) -> tuple[Restoration, Target]:
    left, before = values_to_restore(change, target, settlement)
    assert left.keys() == before.keys()
    assert not any(deep_equal(left[path], before[path]) for path in left)
    seen = Seen(target.namespace, target.name, target.uid, settlement.resource_version or "")
    return Restoration(reads_whole(change)), target_with(seen, left, before)


def without_version(whole: Json) -> Json:
    metadata = {key: one for key, one in whole["metadata"].items() if key != "resourceVersion"}
    return {**whole, "metadata": metadata}


# Many random changes need no patch on a random object, and are rejected; hence the health check.
@pytest.mark.parametrize("kind", CHANGES)
@settings(max_examples=50, suppress_health_check=[HealthCheck.filter_too_much])
@given(data=st.data(), whole=objects())
def test_undo_restores_the_values_before_and_its_undo_the_wanted_values(
    kind: str, data: st.DataObject, whole: Json
) -> None:
    change = data.draw(CHANGES[kind](whole))
    target = planned(change, whole)

    after, settlement = applied(change, target, whole)
    back, undoing = undo_of(change, target, settlement)
    undone, undo_settled = applied(back, undoing, after)
    again, redoing = undo_of(back, undoing, undo_settled)
    redone, _ = applied(again, redoing, undone)

    assert deep_equal(without_version(undone), without_version(whole))
    assert deep_equal(without_version(redone), without_version(after))


@pytest.mark.parametrize("kind", CHANGES)
@settings(max_examples=50, suppress_health_check=[HealthCheck.filter_too_much])
@given(data=st.data(), whole=objects())
def test_a_second_undo_has_nothing_to_do(kind: str, data: st.DataObject, whole: Json) -> None:
    change = data.draw(CHANGES[kind](whole))
    target = planned(change, whole)
    after, settlement = applied(change, target, whole)
    back, undoing = undo_of(change, target, settlement)
    undone, _ = applied(back, undoing, after)

    step = after_read(
        undoing, back, seen_whole(undone), matches=True, sent=False, on_drift=OnDrift.SKIP
    )

    assert isinstance(step, End)
    assert step.reason is Reason.ALREADY_SET


@pytest.mark.parametrize("on_drift", OnDrift)
@pytest.mark.parametrize("kind", CHANGES)
@settings(max_examples=50, suppress_health_check=[HealthCheck.filter_too_much])
@given(data=st.data(), whole=objects())
def test_a_later_change_by_another_writer_is_not_undone(
    kind: str, on_drift: OnDrift, data: st.DataObject, whole: Json
) -> None:
    change = data.draw(CHANGES[kind](whole))
    target = planned(change, whole)
    after, settlement = applied(change, target, whole)
    back, undoing = undo_of(change, target, settlement)
    # Another writer changes one of the fields that undo would restore.
    path = data.draw(st.sampled_from(sorted(undoing.before)))
    theirs: Any = "theirs"
    for key in reversed(path):
        theirs = {key: theirs}

    changed = seen_whole(written(merge_patched(after, theirs)))
    step = after_read(undoing, back, changed, matches=True, sent=False, on_drift=on_drift)

    assert isinstance(step, End)
    assert step.reason is Reason.DRIFTED
    assert "theirs" in step.detail


@given(data=st.data(), whole=objects())
def test_a_label_of_another_writer_is_not_drift_even_if_ours_was_the_first(
    data: st.DataObject, whole: Json
) -> None:
    change = BodyPatch(PatchType.MERGE, {"metadata": {"labels": {"ours": "1"}}})
    target = planned(change, whole)
    after, settlement = applied(change, target, whole)
    back, undoing = undo_of(change, target, settlement)

    theirs = written(merge_patched(after, {"metadata": {"labels": {"theirs": "2"}}}))
    step = after_read(
        undoing, back, seen_whole(theirs), matches=True, sent=False, on_drift=OnDrift.SKIP
    )

    assert isinstance(step, Send)
    undone, _ = sent(back, undoing, step, theirs)
    expected = merge_patched(whole, {"metadata": {"labels": {"theirs": "2"}}})
    assert deep_equal(without_version(undone), without_version(expected))
    assert data is not None


@pytest.mark.parametrize("kind", CHANGES)
@settings(max_examples=50, suppress_health_check=[HealthCheck.filter_too_much])
@given(data=st.data(), whole=objects(), meanwhile=SPECS)
def test_undo_restores_the_values_that_an_overwriting_run_replaced(
    kind: str, data: st.DataObject, whole: Json, meanwhile: Json
) -> None:
    change = data.draw(CHANGES[kind](whole))
    target = planned(change, whole)
    labels = dict.fromkeys("abcd", "theirs")
    drifted = written(merge_patched({**whole, "spec": meanwhile}, {"metadata": {"labels": labels}}))

    step = after_read(
        target, change, seen_whole(drifted), matches=True, sent=False, on_drift=OnDrift.OVERWRITE
    )

    if isinstance(step, End):
        assert OUTCOME_OF[step.reason] in {Outcome.SKIPPED, Outcome.UNCHANGED}
        return
    basis = target
    if step.replaces is not None:
        basis = target_with(seen_whole(drifted), step.replaces, step.goal)
    try:
        after, settlement = sent(change, basis, step, drifted)
    except InapplicableError:
        reject()  # a parent of a touched field is gone: the server rejects it
    back, undoing = undo_of(change, target, settlement)
    undone, _ = applied(back, undoing, after)
    # Undo removes the fields of the patch, but not the maps that the patch made around them.
    assert deep_equal(pruned(without_version(undone)), pruned(without_version(drifted)))


def test_defaults_that_the_server_adds_to_new_values_are_ours() -> None:
    change = BodyPatch(PatchType.MERGE, {"spec": {"policy": {"limit": 1}}})
    whole = document("etl-1", "uid-1", spec={})
    target = planned(change, whole)
    made = {"limit": 1, "mode": "default"}
    after = written({**whole, "spec": {"policy": made}})

    end = after_patch(change, goal(change, target), "10", seen_whole(after))

    assert end.reason is Reason.PATCHED
    assert end.wrote == {("spec", "policy"): made}
    settlement = Settlement(target.id, end.reason, resource_version="11", wrote=end.wrote)
    assert values_to_restore(change, target, settlement) == (
        {("spec", "policy"): made},
        {("spec", "policy"): ABSENT},
    )
