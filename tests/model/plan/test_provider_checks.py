"""What each provider's kinds do not accept of a patch, reported before anything is sent.

Covered: patch types, fields, options, missing kinds, bodies for another kind, keys that a server
would drop; names of kinds that are known and names that only a cluster can resolve; dry runs. Left
out: mistakes for any provider (test_patch_mistakes), and what servers really answer (tests/e2e).
"""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetpatch.errors import PlanError
from fleetpatch.model.plan.checks.patch import BODIES, METADATA_PARTS, OPTIONS
from fleetpatch.model.plan.checks.provider import check_kind, check_providers
from fleetpatch.model.plan.load import PlanFile, parse_plan
from fleetpatch.model.providers.capability import ProviderName
from fleetpatch.model.providers.kinds import BATCH_JOB, MX_JOB, TF_JOB, VOLCANO_JOB
from fleetpatch.model.providers.tables import CCI, KUBERNETES, PROVIDERS
from fleetpatch.model.resource import Resource
from tests.model.plans import MINIMAL, on_cci, problems_of, with_patch
from tests.plans import plan_from

LEASE = Resource("coordination.k8s.io", "v1", "leases", "Lease")
POD = Resource("", "v1", "pods", "Pod")
WIDGET = Resource("example.com", "v1", "widgets", "Widget")

MERGE = "{merge: {spec: {a: b}}}"
STRATEGIC = "{strategic: {spec: {a: b}}}"
JSON = "{json: [{op: add, path: /spec/a, value: b}]}"
APPLY = "{apply: {spec: {a: b}}}"

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


def on_kubernetes(kind: str, patch: str) -> str:
    return with_patch(patch).replace("jobs.batch", kind)


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


def discovered(
    text: str, provider: ProviderName, resource: Resource, *, dry_run: bool = False
) -> list[str]:
    source = parse_plan(text, "plan.yaml")
    kinds = {name: resource for block in source.plan.targets for name in block.kinds}
    with pytest.raises(PlanError) as caught:
        source.refuse_unsupported([(provider, kinds)], dry_run=dry_run)
    return [str(problem) for problem in caught.value.problems]


def test_problems_found_after_discovery_are_placed_in_the_plan_file() -> None:
    (problem,) = discovered(on_kubernetes("widgets", STRATEGIC), ProviderName.KUBERNETES, WIDGET)
    assert problem.startswith("plan.yaml:8:9: patch.strategic: widgets.example.com of")

    other = on_kubernetes("tfjobs", "{merge: {apiVersion: kubeflow.org/v2, spec: {a: b}}}")
    (problem,) = discovered(other, ProviderName.KUBERNETES, TF_JOB)
    assert problem.startswith("plan.yaml:8:29: patch.merge.apiVersion: is 'kubeflow.org/v2', and")

    (problem,) = discovered(on_cci(kinds="[jobs]"), ProviderName.CCI, LEASE)
    assert problem.startswith("plan.yaml:6:13: targets[0].kinds[0]: leases.coordination.k8s.io is")


NODES = Resource("", "v1", "nodes", "Node", "node", (), False)  # cluster-scoped
SCOPED = "are cluster-scoped, and namespaces cannot choose among them"


@pytest.mark.parametrize("namespaces", ["[a]", '["team-*"]', '["!a"]'])
def test_namespaces_of_a_cluster_scoped_kind_are_refused(namespaces: str) -> None:
    text = MINIMAL.replace("[jobs.batch]", f"[nodes]\n    namespaces: {namespaces}")

    (problem,) = discovered(text, ProviderName.KUBERNETES, NODES)

    assert problem.startswith(f"plan.yaml:6:13: targets[0].kinds[0]: nodes {SCOPED}")


def test_only_the_block_with_namespaces_is_refused() -> None:
    nodes = "- {kinds: [nodes], selector: a=b}\n  - {kinds: [nodes], namespaces: [x]}"
    text = MINIMAL.replace("- kinds: [jobs.batch]\n    selector: app=etl", nodes)

    (problem,) = discovered(text, ProviderName.KUBERNETES, NODES)

    assert problem.startswith("plan.yaml:7:14: targets[1].kinds[0]: nodes")


def test_a_cluster_scoped_kind_without_namespaces_is_accepted() -> None:
    source = parse_plan(MINIMAL.replace("jobs.batch", "nodes"), "plan.yaml")

    source.refuse_unsupported([(ProviderName.KUBERNETES, {"nodes": NODES})], dry_run=False)


def test_problems_of_a_plan_without_a_file_name_the_plan() -> None:
    plan = plan_from(
        {
            "metadata": {"name": "relabel"},
            "targets": [{"kinds": ["widgets"]}],
            "patch": {"strategic": {"spec": {"a": "b"}}},
        }
    )

    with pytest.raises(PlanError, match=r"^plan relabel: patch\.strategic: widgets\.example\.com"):
        PlanFile.of(plan).refuse_unsupported(
            [(ProviderName.KUBERNETES, {"widgets": WIDGET})], dry_run=False
        )


def test_a_plan_that_all_clusters_support_is_accepted() -> None:
    clusters = [(ProviderName.KUBERNETES, {"jobs.batch": BATCH_JOB})] * 2

    parse_plan(MINIMAL, "plan.yaml").refuse_unsupported(clusters, dry_run=True)


@pytest.mark.parametrize("resource", [BATCH_JOB, TF_JOB, MX_JOB])
def test_a_dry_run_of_a_kind_that_would_really_be_patched_is_refused(resource: Resource) -> None:
    text = on_cci(kinds=f"[{resource.name}]")

    (problem,) = discovered(text, ProviderName.CCI, resource, dry_run=True)

    assert problem.startswith(
        f"plan.yaml:6:13: targets[0].kinds[0]: {resource.name} of provider cci"
    )
    assert "does not support dryRun, and would really be patched; leave out --dry-run" in problem


def test_volcano_jobs_support_dry_runs() -> None:
    source = parse_plan(on_cci(kinds="[vcjob]"), "plan.yaml")

    source.refuse_unsupported([(ProviderName.CCI, {"vcjob": VOLCANO_JOB})], dry_run=True)


KEYS = st.sampled_from(
    [
        "metadata",
        "labels",
        "annotations",
        "spec",
        "template",
        "status",
        "kind",
        "apiVersion",
        "$patch",
    ]
)
POINTERS = st.sampled_from(["", "/", "/spec", "/metadata/labels/a", "/metadata", "//", "/a~1b/~"])
LEAVES = st.none() | st.booleans() | st.integers() | st.sampled_from(["a", "v1", "cci"]) | POINTERS
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)
OPERATIONS = st.dictionaries(st.sampled_from(["op", "path", "from", "value"]), ANYTHING)
PATCHES = st.dictionaries(
    st.sampled_from([*METADATA_PARTS, *BODIES, *OPTIONS]),
    ANYTHING | st.lists(OPERATIONS, max_size=3),
    max_size=3,
)
TREES = ANYTHING | st.fixed_dictionaries(
    {},
    optional={
        "patch": PATCHES | ANYTHING,
        "fleet": st.lists(
            st.fixed_dictionaries({}, optional={"provider": ANYTHING, "auth": ANYTHING}) | ANYTHING,
            max_size=3,
        ),
        "targets": st.lists(
            st.fixed_dictionaries(
                {"kinds": st.lists(st.text("abj.v1", max_size=8) | ANYTHING, max_size=3)}
            ),
            max_size=3,
        ),
    },
)


@given(tree=TREES)
@settings(max_examples=200, deadline=None)
def test_any_tree_can_be_checked(tree: Any) -> None:
    list(check_providers(tree))
    for provider in PROVIDERS.values():
        for capability in provider.kinds:
            list(check_kind(tree, ("targets",), provider.name, capability.resource))
    # None of these trees is a whole plan.
    if isinstance(tree, dict):
        with pytest.raises(PlanError):
            plan_from(tree)
