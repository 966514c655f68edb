"""What each provider's kinds do not accept of a patch, reported before anything is sent.

Covered: patch types, fields, options, missing kinds, bodies for another kind, keys that a server
would drop; names of kinds that are known and names that only a cluster can resolve. Left out: kinds
that clusters have resolved (test_discovered_kinds), mistakes for any provider
(test_patch_mistakes), and what servers really answer (tests/e2e).
"""

from collections.abc import Mapping
from typing import Any

import pytest

from fleetpatch.model.plan.checks.provider import check_kind
from fleetpatch.model.plan.load import parse_plan
from fleetpatch.model.providers.capability import ProviderName
from fleetpatch.model.providers.tables import CCI, KUBERNETES
from fleetpatch.model.resource import Resource
from tests.model.plan.provider_plans import (
    APPLY,
    JSON,
    MERGE,
    POD,
    STRATEGIC,
    WIDGET,
    on_kubernetes,
)
from tests.model.plans import on_cci, problems_of

ON_KUBERNETES: list[tuple[str, str, str, str]] = [
    (
        "tfjobs",
        STRATEGIC,
        "8:9",
        "tfjobs.kubeflow.org of provider kubernetes does not accept strategic",
    ),
    ("tfjob.kubeflow.org", STRATEGIC, "8:9", "it accepts merge, json, apply (Kubernetes API"),
    (
        "vcjob",
        STRATEGIC,
        "8:9",
        "jobs.batch.volcano.sh of provider kubernetes does not accept strategic",
    ),
    (
        "widgets.example.com",
        STRATEGIC,
        "8:9",
        "widgets.example.com of provider kubernetes does not accept",
    ),
    ("widgets.v1.example.com", STRATEGIC, "8:9", "widgets.example.com of provider kubernetes"),
    ("jobs.batch", "{merge: {data: {a: b}}}", "8:17", "is not a field of jobs.batch of provider"),
    ("tfjobs", "{apply: {data: {a: b}}}", "8:17", "it has apiVersion, kind, metadata, spec"),
    ("mxjobs", "{json: [{op: remove, path: /data/a}]}", "8:35", "whose server would drop it"),
    ("jobs.batch", "{merge: {metadata: {generateName: x}}}", "8:28", "when an object is created"),
    ("tfjobs", "{json: [{op: remove, path: /metadata/generateName}]}", "8:35", "when an object"),
    (
        "jobs.batch",
        "{merge: {kind: Pod, spec: {a: b}}}",
        "8:23",
        "is 'Pod', and that of jobs.batch",
    ),
    (
        "jobs.batch",
        "{apply: {apiVersion: v1, spec: {a: b}}}",
        "8:29",
        "provider kubernetes is batch/...; remove it",
    ),
    (
        "jobs.v1.batch",
        "{apply: {apiVersion: batch/v2, spec: {a: b}}}",
        "8:29",
        "is batch/v1; remove",
    ),
    ("tfjobs", "{merge: {apiVersion: 1, spec: {a: b}}}", "8:29", "is '1', and that of tfjobs"),
]

ON_CCI: list[tuple[str, str, str, str]] = [
    (
        "tfjobs",
        "{merge: {spec: {template: {a: b}}}}",
        "8:24",
        "tfjobs.kubeflow.org of provider cci",
    ),
    (
        "tfjobs",
        "{merge: {spec: {template: {a: b}}}}",
        "8:24",
        "metadata.labels, metadata.annotations",
    ),
    (
        "tfjobs",
        "{merge: {spec: {template: {a: b}}}}",
        "8:24",
        "(CCI API reference, Updating TFJob)",
    ),
    ("mxjobs", "{merge: {spec: null}}", "8:17", "cannot be updated there"),
    ("mxjobs", "{merge: {metadata: {finalizers: null}}}", "8:28", "cannot be updated there"),
    ("pytorchjobs", "{merge: {data: {a: b}}}", "8:17", "cannot be updated there"),
    (
        "tfjobs",
        "{json: [{op: remove, path: /metadata/labels/a}]}",
        "8:9",
        "does not accept json patch",
    ),
    ("tfjobs", "{apply: {metadata: {labels: {a: b}}}}", "8:9", "does not accept apply patch"),
    ("jobs.batch", "{annotations: {a: b}}", "8:9", "jobs.batch of provider cci cannot be updated"),
    ("jobs.batch", "{merge: {metadata: {annotations: {a: b}}}}", "8:28", "cannot be updated there"),
    ("jobs.batch", "{strategic: {metadata: {generateName: a}}}", "8:32", "cannot be updated there"),
    (
        "jobs.batch",
        "{json: [{op: remove, path: /spec/selector}]}",
        "8:9",
        "does not accept json patch",
    ),
    (
        "jobs.batch",
        "{labels: {a: b}, fieldManager: ops}",
        "8:25",
        "does not accept fieldManager; it accepts",
    ),
    ("vcjob", "{json: [{op: remove, path: /spec/queue}]}", "8:35", "cannot be updated there"),
    ("vcjob", "{json: [{op: replace, path: /spec, value: {}}]}", "8:36", "cannot be updated there"),
    (
        "vcjob",
        "{json: [{op: move, from: /spec/queue, path: /spec/template/a}]}",
        "8:33",
        "cannot be updated there",
    ),
    ("vcjob", "{strategic: {spec: {$patch: replace, replicas: 1}}}", "8:28", "cannot be updated"),
    ("tfjobs", "{merge: {kind: MXJob, metadata: {labels: {a: b}}}}", "8:23", "is TFJob; remove it"),
    ("pods", "{labels: {a: b}}", "6:13", "pods is not a kind of provider cci; it has jobs.batch"),
    ("widgets.example.com", "{labels: {a: b}}", "6:13", "is not a kind of provider cci"),
]

FINE: list[tuple[str, str]] = [
    (
        "vcjob",
        "{json: [{op: test, path: /spec/queue, value: a}, {op: remove, path: /spec/template/a}]}",
    ),
    ("vcjob", "{json: [{op: copy, from: /spec/queue, path: /metadata/labels/queue}]}"),
    ("vcjob", "{merge: {metadata: {generateName: a}}, fieldManager: ops, pretty: true}"),
    ("vcjob", "{strategic: {spec: {template: {$patch: replace, a: b}}}}"),
    ("jobs.batch", "{strategic: {spec: {parallelism: 2}}, pretty: true}"),
    ("jobs.batch", "{renameLabels: {a: b}, copyLabels: {c: d}}"),
    ("tfjobs", "{merge: {apiVersion: kubeflow.org/v1, kind: TFJob, spec: {cleanPodPolicy: All}}}"),
    ("tfjobs", "{merge: {metadata: {labels: {a: b}, annotations: {c: null}}, spec: {}}}"),
    (
        "tfjobs",
        "{labels: {a: b}, fieldManager: fleetpatch, force: false}".replace(
            ", fieldManager: fleetpatch", ""
        ),
    ),
    ("jobs", "{annotations: {a: b}}"),
]


@pytest.mark.parametrize(("kind", "patch", "place", "words"), ON_KUBERNETES)
def test_what_a_kind_of_kubernetes_does_not_accept_is_a_placed_problem(
    kind: str, patch: str, place: str, words: str
) -> None:
    (problem,) = problems_of(on_kubernetes(kind, patch))

    assert problem.startswith(f"plan.yaml:{place}: patch.")
    assert words in problem


@pytest.mark.parametrize(("kind", "patch", "place", "words"), ON_CCI)
def test_what_a_kind_of_cci_does_not_accept_is_a_placed_problem(
    kind: str, patch: str, place: str, words: str
) -> None:
    problem, *others = problems_of(on_cci(patch, f"[{kind}]"))

    assert not others
    assert problem.startswith(f"plan.yaml:{place}: ")
    assert words in problem


@pytest.mark.parametrize(("kind", "patch"), FINE)
def test_what_a_kind_of_cci_accepts_has_no_problem(kind: str, patch: str) -> None:
    parse_plan(on_cci(patch, f"[{kind}]"), "plan.yaml")


@pytest.mark.parametrize("patch", [MERGE, JSON, STRATEGIC, APPLY])
@pytest.mark.parametrize(
    "kind", ["jobs.batch", "jobs.v1.batch", "job.batch", "deployments.apps", "deploy", "pods.v1."]
)
def test_built_in_kinds_accept_all_patches(kind: str, patch: str) -> None:
    parse_plan(on_kubernetes(kind, patch), "plan.yaml")


@pytest.mark.parametrize("patch", [MERGE, JSON, APPLY])
@pytest.mark.parametrize("kind", ["tfjobs", "mxjob", "pytorchjobs.kubeflow.org", "vj", "a.b.c"])
def test_custom_kinds_accept_all_patches_except_strategic(kind: str, patch: str) -> None:
    parse_plan(on_kubernetes(kind, patch), "plan.yaml")


@pytest.mark.parametrize("kind", ["jobs", "job", "leases", "widgets"])
def test_a_name_that_only_the_cluster_can_resolve_is_not_checked(kind: str) -> None:
    parse_plan(on_kubernetes(kind, STRATEGIC), "plan.yaml")


def test_a_known_kind_may_be_served_in_another_version() -> None:
    patch = "{merge: {apiVersion: kubeflow.org/v1beta2, kind: TFJob, spec: {a: b}}}"

    parse_plan(on_kubernetes("tfjobs", patch), "plan.yaml")


def test_every_provider_of_a_fleet_and_every_kind_is_checked() -> None:
    text = on_cci("{annotations: {a: b}, fieldManager: ops}", "[jobs.batch, tfjobs, vcjob]")
    text = text.replace("fleet: [", "fleet: [{name: a, context: b}, ")

    problems = problems_of(text)

    assert [
        problem.split(": ")[2].split(" cannot")[0].split(" does not")[0] for problem in problems
    ] == [
        "jobs.batch of provider cci",
        "jobs.batch of provider cci",
        "tfjobs.kubeflow.org of provider cci",
    ]


def test_what_is_wrong_for_every_provider_is_reported_once() -> None:
    (problem,) = problems_of(on_cci("{merge: {op: replace, path: /status, value: Available}}"))

    assert "looks like a JSON Patch operation" in problem


def findings(patch: Mapping[str, Any], provider: ProviderName, resource: Resource) -> list[str]:
    found = check_kind({"patch": patch}, ("targets", 0), provider, resource)
    return [finding.what for finding in found]


def test_the_tables_and_the_checks_agree_on_every_patch_type_and_field() -> None:
    for provider in (KUBERNETES, CCI):
        for capability in provider.kinds:
            for field in capability.updatable or ():
                body: Any = "x"
                for key in reversed(field):
                    body = {key: body}
                assert not findings({"merge": body}, provider.name, capability.resource)
                if capability.updatable:
                    beside = {field[0]: {"elsewhere": 1}}
                    assert findings({"merge": beside}, provider.name, capability.resource)


def test_kinds_that_are_not_in_the_table_may_have_any_fields() -> None:
    patch = {"strategic": {"data": {"a": "b"}}}

    assert not findings(patch, ProviderName.KUBERNETES, POD)
    (what,) = findings(patch, ProviderName.KUBERNETES, WIDGET)
    assert what == (
        "widgets.example.com of provider kubernetes does not accept strategic patches; it accepts"
        " merge, json, apply (Kubernetes API reference, PATCH of a custom resource)"
    )
