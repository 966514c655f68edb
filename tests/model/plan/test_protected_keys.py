"""Keys of controllers and deployment tools: which are protected, in which parts of a patch.

Covered: every key of the table, as a label and as an annotation, in each part of a patch and each
kind of body, removed, renamed and copied; allowing it by name; the table of the reference. Left
out: the places of problems (test_patch_mistakes).
"""

import re
from pathlib import Path

import pytest

from fleetpatch.model.plan.load import parse_plan
from fleetpatch.model.protected import OWNERS, owner_of
from tests.model.plans import problems_of, with_patch

KEYS = [key.replace("*", "x") for owner in OWNERS for key in owner.keys]
REFERENCE = Path(__file__).parents[3] / "docs" / "reference.md"

FROM_THE_OWNERS_PAGES = [
    *("argocd.argoproj.io/tracking-id", "argocd.argoproj.io/sync-options"),
    *("app.kubernetes.io/instance", "app.kubernetes.io/managed-by"),
    *("kueue.x-k8s.io/priority-class", "kueue.x-k8s.io/prebuilt-workload-name"),
    *("scheduling.volcano.sh/queue-name", "scheduling.volcano.sh/group-name"),
    *("scheduling.k8s.io/group-name", "volcano.sh/task-spec"),
    *("helm.sh/chart", "helm.sh/resource-policy", "meta.helm.sh/release-name"),
    *("kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/namespace"),
    *("kubectl.kubernetes.io/last-applied-configuration", "applyset.kubernetes.io/part-of"),
    *("config.kubernetes.io/depends-on", "config.k8s.io/owning-inventory"),
    *("deployment.kubernetes.io/revision", "pod-template-hash", "jobset.sigs.k8s.io/jobset-name"),
    *("leaderworkerset.sigs.k8s.io/name", "ray.io/cluster", "sparkoperator.k8s.io/app-name"),
    *("argo-rollouts.argoproj.io/managed-by", "fleet.cattle.io/bundle-id", "olm.owner"),
    *("operators.coreos.com/x", "cluster.x-k8s.io/cluster-name", "tekton.dev/pipelineRun"),
    *("crossplane.io/external-name", "mpi-job-name", "group-name", "replica-type"),
    *("cronjob.kubernetes.io/instantiate", "batch.kubernetes.io/cronjob-scheduled-timestamp"),
    *("mpi-job-role", "spark-role", "spark-app-selector", "jobset.sigs.k8s.io/job-index"),
    *("ray.io/node-type", "trainer.kubeflow.org/trainjob-ancestor-step"),
    *("workflows.argoproj.io/completed", "yunikorn.apache.org/queue", "kapp.k14s.io/app"),
]
FREE = [
    *("app.kubernetes.io/name", "app.kubernetes.io/part-of", "app.kubernetes.io/version"),
    *("kubectl.kubernetes.io/default-container", "argoproj.io/x", "my-ray.io/x", "ray.io"),
    *("example.com/pod-template-hash", "helm", "team", "xkueue.x-k8s.io/queue-name"),
]


@pytest.mark.parametrize("key", FROM_THE_OWNERS_PAGES)
def test_a_key_that_an_owner_documents_is_protected(key: str) -> None:
    assert owner_of(key) is not None


@pytest.mark.parametrize("key", FREE)
def test_a_similar_key_is_not_protected(key: str) -> None:
    assert owner_of(key) is None


@pytest.mark.parametrize(
    ("patch", "entry"),
    [
        ("{labels: {ENTRIES}}", "KEY: a"),
        ("{labels: {ENTRIES}}", "KEY: null"),
        ("{annotations: {ENTRIES}}", "KEY: a"),
        ("{renameLabels: {ENTRIES}}", "KEY: aN"),
        ("{renameLabels: {ENTRIES}}", "aN: KEY"),
        ("{copyLabels: {ENTRIES}}", "aN: KEY"),
        ("{merge: {metadata: {labels: {ENTRIES}}}}", "KEY: a"),
        ("{merge: {metadata: {annotations: {ENTRIES}}}}", "KEY: null"),
        ("{strategic: {metadata: {annotations: {ENTRIES}}}}", "KEY: a"),
        ("{apply: {metadata: {labels: {ENTRIES}}}}", "KEY: a"),
        ("{json: [ENTRIES]}", "{op: add, path: /metadata/labels/POINTER, value: a}"),
        ("{json: [ENTRIES]}", "{op: remove, path: /metadata/annotations/POINTER}"),
        (
            "{json: [ENTRIES]}",
            "{op: move, from: /metadata/labels/POINTER, path: /metadata/labels/aN}",
        ),
        ("{json: [ENTRIES]}", "{op: copy, from: /spec/a, path: /metadata/annotations/POINTER}"),
    ],
)
def test_protected_keys_are_refused_and_their_owners_named(patch: str, entry: str) -> None:
    entries = [
        entry.replace("KEY", key).replace("POINTER", key.replace("/", "~1")).replace("N", str(n))
        for n, key in enumerate(KEYS)
    ]
    text = with_patch(patch.replace("ENTRIES", ", ".join(entries)))

    problems = problems_of(text)

    assert len(problems) == len(KEYS)
    for key, problem in zip(KEYS, problems, strict=True):
        owner = owner_of(key)
        assert owner
        assert f"'{key}' belongs to {owner.name}: {owner.why}; remove it, or name it" in problem
    parse_plan(f"{text}guards: {{allowKeys: [{', '.join(KEYS)}]}}\n", "plan.yaml")


@pytest.mark.parametrize("key", KEYS)
def test_a_protected_label_may_be_copied_from(key: str) -> None:
    parse_plan(with_patch(f"{{copyLabels: {{{key}: example.com/copy}}}}"), "plan.yaml")


def test_allowing_one_key_allows_no_other_of_its_owner() -> None:
    text = with_patch("{labels: {kueue.x-k8s.io/queue-name: a, kueue.x-k8s.io/priority-class: b}}")

    (problem,) = problems_of(f"{text}guards: {{allowKeys: [kueue.x-k8s.io/queue-name]}}\n")

    assert "'kueue.x-k8s.io/priority-class' belongs to Kueue" in problem


def test_each_key_has_one_owner_and_each_owner_a_source() -> None:
    listed = [key for owner in OWNERS for key in owner.keys]

    assert len(listed) == len(set(listed))
    assert all(owner.source and owner.why for owner in OWNERS)


def test_the_reference_contains_the_table() -> None:
    section = REFERENCE.read_text().partition("**Protected keys.**")[2].partition("\n\n**")[0]
    rows = [
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in section.splitlines()
        if line.startswith("| `")
    ]

    assert [(re.findall("`(.*?)`", keys), owner, why) for keys, owner, why in rows] == [
        (list(owner.keys), owner.name, owner.why) for owner in OWNERS
    ]


@pytest.mark.parametrize(
    ("pattern", "key"),
    [
        ("batch.kubernetes.io/*", "batch.kubernetes.io/*"),
        ("batch.kubernetes.io/job-*", "batch.kubernetes.io/*"),
        ("batch.*", "batch.kubernetes.io/*"),
        ("job-*", "job-name"),
        ("app.kubernetes.io/*", "app.kubernetes.io/instance"),
    ],
)
def test_a_pattern_that_may_remove_protected_keys_is_refused(pattern: str, key: str) -> None:
    (problem,) = problems_of(with_patch(f'{{labels: {{"{pattern}": null}}}}'))

    assert f"'{pattern}' includes {key}, which belongs to " in problem
    assert "write a longer prefix, or the keys to remove" in problem


def test_a_pattern_is_accepted_if_each_protected_key_that_it_includes_is_allowed() -> None:
    patch = '{annotations: {"job-n*": null}}\nguards: {allowKeys: [job-name]}\n'

    parse_plan(with_patch(patch), "plan.yaml")


@pytest.mark.parametrize("pattern", ["app.kubernetes.io/p*", "old.example.com/*", "team-*", "jo/*"])
def test_a_pattern_that_only_looks_protected_is_accepted(pattern: str) -> None:
    parse_plan(with_patch(f'{{labels: {{"{pattern}": null}}}}'), "plan.yaml")
