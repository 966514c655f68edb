"""Templates of other tools in labels and annotations: refused or warned about, with the CEL.

Covered: the templates of Helm, Kustomize, Kyverno, shells and Kubernetes; the expressions that are
proposed; patch bodies, in which they are legitimate.
"""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetpatch.cel.expressions import Language
from fleetpatch.model.plan.load import parse_plan
from fleetpatch.model.plan.templates import cel_of, is_template
from tests.model.plans import problems_of, with_patch

TEMPLATES = [
    ("{{ .Values.team }}", 'object.metadata.labels["team"]'),
    ("{{.Release.Namespace}}", "object.metadata.namespace"),
    ("{{ .metadata.name }}", "object.metadata.name"),
    ("{{ request.object.metadata.namespace }}", "object.metadata.namespace"),
    ("{{ request.object.metadata.labels.team }}", 'object.metadata.labels["team"]'),
    ("{{ .Values.team | quote }}", 'object.metadata.labels["team"]'),
    ("${TEAM}", 'object.metadata.labels["team"]'),
    ("${metadata.namespace}", "object.metadata.namespace"),
    ("$(TEAM)", 'object.metadata.labels["team"]'),
    ("$(metadata.name)", "object.metadata.name"),
    ("$(metadata.annotations['x.io/ticket'])", 'object.metadata.annotations["x.io/ticket"]'),
    ("$(spec.template.name)", "object.spec.template.name"),
    ("team-{{ .metadata.namespace }}-a", '"team-" + object.metadata.namespace + "-a"'),
    ("${A}${B}", 'object.metadata.labels["a"] + object.metadata.labels["b"]'),
    ("{{}}", 'object.metadata.labels["team"]'),
]
NOT_TEMPLATES = ["{a}", "$5", "$TEAM", "a{b}c", "{ {a} }", "100%", "$()".replace("()", "")]


@pytest.mark.parametrize(("text", "cel"), TEMPLATES)
def test_a_template_in_a_label_is_refused_with_the_expression_that_does_it(
    text: str, cel: str
) -> None:
    (problem,) = problems_of(with_patch(f"{{labels: {{team: {_quoted(text)}}}}}"))

    assert problem.startswith("plan.yaml:8:24: patch.labels.team: ")
    assert "has a template of another tool, which is not filled in here" in problem
    assert problem.endswith(f"{{cel: '{cel}'}}")


@pytest.mark.parametrize(("text", "cel"), TEMPLATES)
def test_a_template_in_an_annotation_is_a_warning(text: str, cel: str) -> None:
    plan = parse_plan(with_patch(f"{{annotations: {{team: {_quoted(text)}}}}}"), "plan.yaml")

    (warning,) = plan.warnings(datetime.now(UTC))

    assert str(warning).startswith("plan.yaml:8:29: warning: patch.annotations.team: ")
    assert f"{{cel: '{cel}'}}" in str(warning)


@pytest.mark.parametrize(("text", "_"), TEMPLATES)
def test_the_proposed_expression_is_one(text: str, _: str) -> None:
    _kind, mistakes = Language({}, {}).checked(cel_of(text))

    assert not mistakes


@pytest.mark.parametrize("text", NOT_TEMPLATES)
def test_text_that_only_looks_like_a_template_is_set(text: str) -> None:
    plan = parse_plan(with_patch(f"{{annotations: {{team: {_quoted(text)}}}}}"), "plan.yaml")

    assert not plan.warnings(datetime.now(UTC))


def test_patch_bodies_are_left_alone() -> None:
    command = "{spec: {template: {spec: {containers: [{args: ['$(VAR)', '${X}', '{{ y }}']}]}}}}"
    for kind in ("merge", "strategic"):
        plan = parse_plan(with_patch(f"{{{kind}: {command}}}"), "plan.yaml")
        assert not plan.warnings(datetime.now(UTC))


@pytest.mark.parametrize("value", ["{{ team }}", "{{ .Values.team }}"])
def test_a_template_without_quotes_is_named_as_one(value: str) -> None:
    problems = problems_of(with_patch(f"\n  labels:\n    team: {value}"))

    assert any("10:12: this looks like a template of another tool" in one for one in problems)


@pytest.mark.parametrize(
    ("entry", "place", "advice"),
    [
        ("!team-legacy", "9:9", "text that begins with '!' is without quotes"),
        ("*", "9:10", "text that begins with '*' or '&' needs quotes around it"),
        ("*-prod", "9:9", "text that begins with '*' is without quotes"),
    ],
)
def test_a_pattern_without_quotes_gets_the_advice_to_quote_it_in_its_line(
    entry: str, place: str, advice: str
) -> None:
    plan = with_patch("{labels: {a: b}}").replace(
        "selector: app=etl", f"namespaces:\n      - team-a\n      - {entry}\n    selector: app=etl"
    )

    (problem,) = problems_of(plan)

    assert problem.startswith(f"plan.yaml:{place}: ")
    assert advice in problem


@given(st.text(max_size=30))
def test_any_text_is_a_template_or_not(text: str) -> None:
    assert isinstance(cel_of(text), str)
    assert is_template("{{" + text.replace("}}", "") + "}}")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
