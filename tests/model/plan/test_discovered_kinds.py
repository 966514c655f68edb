"""What is checked of a plan once the clusters have said which kinds they have.

Covered: places of problems in the file, namespaces of cluster-scoped kinds, dry runs that would
really patch. Left out: what is known before anything is sent (test_provider_checks).
"""

import pytest

from fleetpatch.errors import PlanError
from fleetpatch.model.plan.load import PlanFile, parse_plan
from fleetpatch.model.providers.capability import ProviderName
from fleetpatch.model.providers.kinds import BATCH_JOB, MX_JOB, TF_JOB, VOLCANO_JOB
from fleetpatch.model.resource import Resource
from tests.model.plan.provider_plans import LEASE, STRATEGIC, WIDGET, on_kubernetes
from tests.model.plans import MINIMAL, on_cci
from tests.plans import plan_from


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
