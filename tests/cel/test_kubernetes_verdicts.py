"""The expressions of kubernetes_verdicts.json, judged by a Kubernetes API server on four objects.

Covered: the same verdict here, errors included. `cel.bind` is the one exception: policies lack it,
and expressions of plans have it. Left out: the words of errors (test_language.py).
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fleetpatch.cel.program import Evaluation, Texts
from fleetpatch.errors import PlanError
from fleetpatch.model.plan.load import plan_file_from

RECORDED: Any = json.loads(
    Path(__file__).with_name("kubernetes_verdicts.json").read_text(encoding="utf-8")
)
JUDGED = [one for one in RECORDED["expressions"] if "verdicts" in one]
REFUSED = [one["expression"] for one in RECORDED["expressions"] if "refused" in one]
NAMESPACE = {"metadata": {"name": "default", "labels": RECORDED["namespace labels"]}}


def plan_with(where: str) -> Any:
    block = {"kinds": ["tfjobs"], "where": where}
    mapping = {"metadata": {"name": "a"}, "targets": [block], "patch": {"labels": {"a": "b"}}}
    return plan_file_from(mapping, "plan", {})


def verdict(expression: str, name: str) -> str:
    evaluation = Evaluation(Texts({}, {0: expression}, [], []), {})
    data = {
        "object": RECORDED["objects"][name],
        "owner": None,
        "namespaceObject": NAMESPACE,
        "cluster": "a",
        "now": datetime(2026, 11, 26, tzinfo=UTC),
    }
    result = evaluation.evaluate(0, data)
    return "error" if result.error else str(result.matches).lower()


def test_all_of_the_expressions_are_there() -> None:
    assert len(JUDGED) + len(REFUSED) == 62


@pytest.mark.parametrize("judged", JUDGED, ids=lambda one: one["expression"])
def test_an_expression_has_the_verdict_of_kubernetes(judged: Any) -> None:
    plan_with(judged["expression"])

    found = {name: verdict(judged["expression"], name) for name in judged["verdicts"]}

    assert found == judged["verdicts"]


@pytest.mark.parametrize("expression", [one for one in REFUSED if "cel.bind" not in one])
def test_what_kubernetes_refuses_is_refused(expression: str) -> None:
    with pytest.raises(PlanError):
        plan_with(expression)


def test_bind_is_there_although_policies_lack_it() -> None:
    (bind,) = [one for one in REFUSED if "cel.bind" in one]
    plan_with(bind)

    assert verdict(bind, "odd") == "true"
