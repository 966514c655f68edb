"""Objects that are nested too deep or cannot be decoded as a whole, and the rules' decisions.

Covered: planning, reading, answers to a PATCH, and that no rule fails at the maximum depth, or on
objects whose fields have wrong types.
Left out: how such an object is detected (tests/kube/http/test_deep_bodies.py).
"""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetpatch.journal.codec import fields_of, text_of
from fleetpatch.model.change import BodyPatch, MetadataChange, PatchType, PlanChange
from fleetpatch.model.fields import MAX_DEPTH, TOO_DEEP, Json, is_deeper
from fleetpatch.model.outcome import Reason
from fleetpatch.model.resource import Resource
from fleetpatch.model.target import Seen, Target
from fleetpatch.rules.answers.acceptance import after_patch
from fleetpatch.rules.answers.settlement import after_read
from fleetpatch.rules.answers.steps import End, OnDrift, Send
from fleetpatch.rules.patching.merge_rules import merge_rules
from fleetpatch.rules.planning.planner import DoesNotFit, NeedsPatch, Unchanged, need
from tests.fakes import JOBS, target_of
from tests.values import replace

TFJOBS = Resource("kubeflow.org", "v1", "tfjobs", "TFJob")

PATCH = BodyPatch(PatchType.MERGE, {"spec": {"n": 2}})
BODIES = [
    PATCH,
    BodyPatch(PatchType.JSON, [{"op": "replace", "path": "/spec/n", "value": 2}]),
    BodyPatch(PatchType.STRATEGIC, {"spec": {"n": 2}}),
    BodyPatch(PatchType.APPLY, {"spec": {"n": 2}}),
]


def nested(levels: int, leaf: Json = 1, *, maps: bool = False) -> Json:
    for _ in range(levels):
        leaf = {"k": leaf} if maps else [leaf]
    return leaf


def seen(spec: Json, *, version: str = "1", unreadable: str = "", whole: bool = True) -> Seen:
    metadata = {"name": "a", "namespace": "ns", "uid": "uid-1", "resourceVersion": version}
    document = {"metadata": metadata, "spec": spec} if whole else None
    return Seen("ns", "a", "uid-1", version, {}, {}, document, unreadable)


def planned(change: PlanChange = PATCH, found: Seen | None = None) -> Target:
    found = found or seen({"n": 1})
    needed = need(change, found)
    assert isinstance(needed, NeedsPatch)
    return replace(target_of(MetadataChange(), found), before=needed.before, wanted=needed.wanted)


def read(found: Seen, *, sent: bool = False) -> End | Send:
    return after_read(planned(), PATCH, found, matches=True, sent=sent, on_drift=OnDrift.SKIP)


@pytest.mark.parametrize("change", BODIES)
def test_an_object_that_is_too_deep_is_left_out_of_the_plan_with_a_reason(
    change: BodyPatch,
) -> None:
    deep = seen({"n": 1, "marks": nested(MAX_DEPTH)}, unreadable=TOO_DEEP)

    assert need(change, deep) == DoesNotFit(Reason.UNREADABLE, {}, TOO_DEEP)


def test_an_object_that_became_too_deep_elsewhere_is_patched() -> None:
    deep = seen({"n": 1, "marks": nested(MAX_DEPTH)}, version="2", unreadable=TOO_DEEP)

    assert read(deep) == Send({("spec", "n"): 2}, "2")


def test_an_object_that_became_too_deep_in_a_touched_field_ends_with_a_reason() -> None:
    deep = seen({"n": nested(MAX_DEPTH)}, version="2", unreadable=TOO_DEEP)

    assert read(deep) == End(Reason.UNREADABLE, TOO_DEEP)
    assert read(deep, sent=True) == End(Reason.UNREADABLE, f"{TOO_DEEP}; it may contain our change")


def test_an_object_that_cannot_be_decoded_any_more_ends_with_a_reason() -> None:
    odd = seen({}, version="2", unreadable="odd", whole=False)

    assert read(odd) == End(Reason.UNREADABLE, "odd")


def test_a_plan_that_overwrites_does_not_plan_an_object_again_that_is_too_deep() -> None:
    deep = seen({"n": 3, "marks": nested(MAX_DEPTH)}, version="2", unreadable=TOO_DEEP)

    ended = after_read(planned(), PATCH, deep, matches=True, sent=False, on_drift=OnDrift.OVERWRITE)

    assert ended == End(Reason.UNREADABLE, TOO_DEEP)


@pytest.mark.parametrize(
    ("n", "wrote"), [(2, None), (nested(MAX_DEPTH), None), ({"k": nested(MAX_DEPTH)}, None)]
)
def test_an_accepted_patch_is_applied_and_no_cut_value_is_recorded(n: Json, wrote: Any) -> None:
    deep = seen({"n": n, "marks": nested(MAX_DEPTH)}, version="2", unreadable=TOO_DEEP)

    ended = after_patch(PATCH, {("spec", "n"): 2}, "1", deep)

    assert ended == End(Reason.PATCHED, "", "2", wrote)


def test_a_dry_run_on_an_object_that_is_too_deep_ends_as_a_dry_run() -> None:
    odd = seen({}, unreadable="odd", whole=False)

    assert after_patch(PATCH, {("spec", "n"): 2}, "1", odd, dry_run=True) == End(Reason.DRY_RUN)


@pytest.mark.parametrize("maps", [False, True])
@pytest.mark.parametrize("kind", list(PatchType))
def test_no_rule_fails_at_the_maximum_depth(kind: PatchType, *, maps: bool) -> None:
    levels = MAX_DEPTH - 2  # the document and its spec are two levels
    found, value = seen({"a": nested(levels, maps=maps)}), nested(levels, 2, maps=maps)
    body: Json = {"spec": {"a": value}}
    if kind is PatchType.JSON:
        path = "/spec/a" + ("/k" if maps else "/0") * (levels - 1)
        body = [{"op": "replace", "path": path, "value": nested(1, 2, maps=maps)}]
    change = BodyPatch(kind, body)
    assert not is_deeper(found.whole, MAX_DEPTH)

    needed = need(change, found)

    assert isinstance(needed, NeedsPatch)
    assert fields_of(text_of(needed.wanted)) == needed.wanted
    after = seen({"a": value}, version="2")
    assert after_patch(change, needed.wanted, "1", after) == End(Reason.PATCHED, "", "2")
    drifted = seen({"a": nested(levels, 3, maps=maps)}, version="2")
    step = after_read(
        planned(change, found),
        change,
        drifted,
        matches=True,
        sent=False,
        on_drift=OnDrift.SKIP,
    )
    assert isinstance(step, End)
    assert step.reason is Reason.DRIFTED


def test_depth_counts_only_maps_and_lists() -> None:
    assert not is_deeper("[[", 0)
    assert is_deeper([], 0)
    assert not is_deeper([], 1)
    assert not is_deeper({"a": 1, "b": "x"}, 1)
    assert is_deeper([1, {"a": {}}], 2)
    assert not is_deeper([1, {"a": {}}], 3)
    assert is_deeper(nested(100_000), MAX_DEPTH)


# Keys that some rule looks for, so that random documents reach the code behind them.
KEYS = st.sampled_from(
    [
        *("metadata", "labels", "annotations", "finalizers", "ownerReferences", "managedFields"),
        *("spec", "template", "containers", "name", "uid", "ports", "manager", "operation"),
        *("fieldsV1", "f:metadata", "f:labels", "f:spec", "$patch", "$retainKeys", "."),
        *("$setElementOrder/finalizers", "$deleteFromPrimitiveList/finalizers"),
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | KEYS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=10,
)
MAPS = st.dictionaries(KEYS, VALUES, max_size=4)
MANAGED = st.lists(
    st.fixed_dictionaries(
        {"manager": st.just("fleetpatch"), "operation": st.just("Apply"), "fieldsV1": MAPS}
    )
    | VALUES,
    max_size=3,
)
DOCUMENTS = (
    st.fixed_dictionaries(
        {
            "metadata": st.fixed_dictionaries({"managedFields": MANAGED, "labels": VALUES}),
            "spec": VALUES,
        }
    )
    | MAPS
)


@settings(max_examples=200, deadline=None)
@given(
    document=DOCUMENTS,
    body=st.fixed_dictionaries({"metadata": MAPS, "spec": VALUES}),
    kind=st.sampled_from([PatchType.MERGE, PatchType.STRATEGIC, PatchType.APPLY]),
    resource=st.sampled_from([JOBS, TFJOBS]),
    version=st.sampled_from(["", "1.20", "1.36"]),
)
def test_any_object_gets_a_need(
    document: Json, body: Json, kind: PatchType, resource: Resource, version: str
) -> None:
    found = Seen("ns", "a", "uid-1", "1", {}, {}, document)

    needed = need(BodyPatch(kind, body), found, merge_rules(resource, version))

    assert isinstance(needed, NeedsPatch | Unchanged | DoesNotFit)
