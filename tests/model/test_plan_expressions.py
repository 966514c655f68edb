"""The plan's keys for expressions: where, variables, tables, {cel: ...}, guards.onError.

Covered: what they become, the canonical text, and where they are refused.
Left out: what CEL itself refuses (tests/cel), and the files of tables.
"""

import pytest

from fleetpatch.errors import PlanError
from fleetpatch.model.change import BodyPatch, MetadataChange
from fleetpatch.model.computed import Expression
from fleetpatch.model.fields import annotation, label
from fleetpatch.model.plan.digest import canonical, restore
from fleetpatch.model.plan.load import parse_plan

HEAD = """\
apiVersion: fleetpatch/v1
kind: Plan
metadata: {name: demo}
targets:
  - {kinds: [jobs.batch], selector: app=etl}
"""


def problems(rest: str) -> list[str]:
    with pytest.raises(PlanError) as refused:
        parse_plan(HEAD + rest, "plan.yaml")
    return str(refused.value).split("\n")


def test_labels_and_annotations_may_be_computed() -> None:
    labels = "{a: {cel: cluster}, b: y, c: null}"
    annotations = "{d: {cel: object.kind}}"
    patch = f"patch: {{labels: {labels}, annotations: {annotations}}}"
    plan = parse_plan(HEAD + patch, "p").plan

    change = plan.change()

    assert isinstance(change, MetadataChange)
    assert change.labels == {"b": "y", "c": None}
    assert change.expressions == {
        label("a"): Expression("cluster"),
        annotation("d"): Expression("object.kind"),
    }
    assert restore(canonical(plan)) == plan


def test_a_label_may_be_named_cel() -> None:
    change = parse_plan(HEAD + "patch: {labels: {cel: x}}", "p").plan.change()

    assert isinstance(change, MetadataChange)
    assert (change.labels, change.expressions) == ({"cel": "x"}, {})


def test_a_body_may_be_computed_at_any_depth() -> None:
    plan = parse_plan(
        HEAD + "patch: {merge: {spec: {a: {cel: cluster}, b: [1, {cel: object.kind}]}}}", "p"
    ).plan

    change = plan.change()

    assert isinstance(change, BodyPatch)
    assert change.expressions == {
        ("spec", "a"): Expression("cluster"),
        ("spec", "b", "1"): Expression("object.kind"),
    }
    assert restore(canonical(plan)) == plan


def test_a_field_named_cel_that_is_no_text_is_a_field() -> None:
    body = "{spec: {selectors: [{cel: {expression: x}}]}}"
    change = parse_plan(HEAD + f"patch: {{merge: {body}}}", "p").plan.change()

    assert not change.expressions


@pytest.mark.parametrize(
    ("rest", "problem"),
    [
        (
            "patch: {labels: {a: {cel: x, more: y}}}",
            "plan.yaml:6:21: patch.labels.a: an expression is {cel: TEXT}: text in quotes, and no",
        ),
        (
            "patch: {annotations: {a: {cel: 1}}}",
            "plan.yaml:6:26: patch.annotations.a: an expression is {cel: TEXT}: text in quotes",
        ),
        (
            "patch: {merge: {metadata: {labels: {cel: x}}}}",
            "plan.yaml:6:36: patch.merge.metadata.labels: must be a mapping of keys to values",
        ),
        (
            "patch: {merge: {cel: x}}",
            (
                "plan.yaml:6:9: patch.merge: is one expression; write the fields, and {cel: ...}"
                " as the value of some"
            ),
        ),
        (
            "patch: {json: [{op: add, path: /spec/a, value: {cel: x}}]}",
            (
                "plan.yaml:6:48: patch.json[0].value: a JSON Patch takes no expressions"
                " ({cel: ...}); use merge, strategic or apply"
            ),
        ),
        (
            "patch: {merge: {status: {cel: x}}}",
            "plan.yaml:6:17: patch.merge.status: is written by the kind's controller; remove it",
        ),
        (
            "patch: {labels: {a: b}}\nvariables: {x: object.kind}",
            (
                "plan.yaml:7:1: variables: is read by no expression; add where or {cel: ...}, or"
                " remove it"
            ),
        ),
        (
            "patch: {labels: {a: b}}\nguards: {onError: skip}",
            (
                "plan.yaml:7:10: guards.onError: is for plans with expressions (where, {cel: ...});"
                " remove it"
            ),
        ),
        (
            "patch: {labels: {controller-uid: {cel: x}}}",
            "plan.yaml:6:18: patch.labels.controller-uid: 'controller-uid' belongs to the job's",
        ),
    ],
)
def test_an_expression_at_a_wrong_place_is_refused_with_its_place(rest: str, problem: str) -> None:
    assert any(one.startswith(problem) for one in problems(rest)), problems(rest)
