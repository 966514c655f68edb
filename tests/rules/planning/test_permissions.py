"""The permissions that a plan needs.

Covered: kinds in named, all and matching namespaces, named objects, kinds without namespaces,
Lease, check, several blocks for the same objects. Left out: that they are enough, and none too many
(tests/e2e/test_rights.py); manifests (tests/report/test_rbac.py).
"""

from typing import Any

import pytest

from fleetpatch.model.resource import Resource
from fleetpatch.rules.planning.permissions import Permission, permissions
from tests.plans import plan_from

KINDS = {
    "jobs.batch": Resource("batch", "v1", "jobs", "Job"),
    "tfjobs": Resource("kubeflow.org", "v1", "tfjobs", "TFJob"),
    "queues": Resource("scheduling.volcano.sh", "v1beta1", "queues", "Queue", namespaced=False),
    "cronjobs": Resource("batch", "v1", "cronjobs", "CronJob"),
    "pods": Resource("", "v1", "pods", "Pod"),
    "namespaces": Resource("", "v1", "namespaces", "Namespace", namespaced=False),
}
ALL = ("list", "get", "patch")


def needed(*blocks: dict[str, Any], holds_lease: bool = True, **more: Any) -> list[Permission]:
    plan = plan_from(
        {
            "apiVersion": "fleetpatch/v1",
            "kind": "Plan",
            "metadata": {"name": "relabel"},
            "targets": [{"selector": "app=etl"} | block for block in blocks],
            "patch": {"labels": {"team": "red"}},
            **more,
        }
    )
    return list(permissions(plan, KINDS, holds_lease=holds_lease))


def facts(found: list[Permission]) -> list[tuple[Any, ...]]:
    return [(one.plural, one.verbs, one.namespace, one.names) for one in found]


def test_objects_are_listed_read_and_patched_in_all_namespaces() -> None:
    [one] = needed({"kinds": ["jobs.batch"]})

    assert (one.group, one.plural, one.verbs, one.namespace) == ("batch", "jobs", ALL, "")
    [reason] = one.reasons
    assert reason == (
        "targets[0]: list finds and verifies the objects;"
        " get reads an object after a conflict or a lost answer; patch changes it"
    )


def test_named_namespaces_have_rights_of_their_own() -> None:
    found = needed({"kinds": ["jobs.batch", "tfjobs"], "namespaces": ["b", "a"]})

    assert facts(found) == [
        (plural, ALL, namespace, ()) for plural in ("jobs", "tfjobs") for namespace in "ab"
    ]


@pytest.mark.parametrize("patterns", [["team-*"], ["!kube-system"], ["a", "team-?"]])
def test_patterns_need_the_list_of_namespaces_and_a_right_for_all(patterns: list[str]) -> None:
    found = needed({"kinds": ["jobs.batch"], "namespaces": patterns})

    assert facts(found) == [("jobs", ALL, "", ()), ("namespaces", ("list",), "", ())]
    assert found[1].reasons == ("targets[0].namespaces: list finds the namespaces that match",)


def test_named_objects_limit_the_right_to_them() -> None:
    found = needed({"kinds": ["tfjobs"], "namespaces": ["a"], "names": ["two", "one"]})

    assert facts(found) == [("tfjobs", ALL, "a", ("one", "two"))]


def test_kinds_without_namespaces_have_a_right_for_the_cluster() -> None:
    assert facts(needed({"kinds": ["queues"]})) == [("queues", ALL, "", ())]


def test_the_lease_is_created_without_a_name_and_held_by_its_name() -> None:
    lock = {"lease": "ops/nightly"}
    block = {"kinds": ["jobs.batch"]}

    assert facts(needed(block, lock=lock))[1:] == [
        ("leases", ("create",), "ops", ()),
        ("leases", ("get", "patch"), "ops", ("nightly",)),
    ]
    assert len(needed(block, lock=lock, holds_lease=False)) == 1


def test_a_check_lists_its_objects() -> None:
    check = {"kinds": ["tfjobs"], "namespaces": ["b"], "condition": "Ready"}
    found = needed({"kinds": ["jobs.batch"]}, waves={"sizes": [1], "check": check})

    assert facts(found)[1:] == [("tfjobs", ("list",), "b", ())]
    assert found[1].reasons == ("waves.check: list reads the conditions of the objects",)


def test_a_check_without_kinds_lists_those_of_the_targets() -> None:
    waves = {"sizes": [1], "check": {"condition": "Ready"}}
    found = needed({"kinds": ["jobs.batch"], "namespaces": ["a"]}, waves=waves)

    # The check may list all namespaces, so no other rule allows that as well.
    assert facts(found) == [("jobs", ("get", "patch"), "a", ()), ("jobs", ("list",), "", ())]


def test_a_check_by_a_command_needs_nothing() -> None:
    waves = {"sizes": [1], "check": {"command": ["true"]}}

    assert len(needed({"kinds": ["jobs.batch"]}, waves=waves)) == 1


def test_blocks_for_the_same_objects_share_a_right_with_both_reasons() -> None:
    [one] = needed({"kinds": ["jobs.batch"]}, {"kinds": ["jobs.batch"], "selector": "app=train"})

    assert [reason.partition(":")[0] for reason in one.reasons] == ["targets[0]", "targets[1]"]


def test_a_right_for_all_objects_includes_that_for_some() -> None:
    wide = {"kinds": ["jobs.batch"]}
    narrow = {"kinds": ["jobs.batch"], "namespaces": ["a"], "names": ["one"]}

    assert facts(needed(narrow, wide)) == [("jobs", ALL, "", ())]


def test_patched_namespaces_are_listed_by_the_same_rule() -> None:
    found = needed({"kinds": ["namespaces"]}, {"kinds": ["jobs.batch"], "namespaces": ["a-*"]})

    assert facts(found) == [("namespaces", ALL, "", ()), ("jobs", ALL, "", ())]


def test_dependents_have_rights_in_the_namespaces_of_their_owners() -> None:
    block = {"kinds": ["jobs.batch"], "namespaces": ["a"], "dependents": ["tfjobs"]}

    assert facts(needed(block)) == [("jobs", ALL, "a", ()), ("tfjobs", ALL, "a", ())]
    of_cluster = needed({"kinds": ["queues"], "dependents": ["jobs.batch"]})
    assert facts(of_cluster) == [("queues", ALL, "", ()), ("jobs", ALL, "", ())]


def test_a_list_of_objects_needs_the_rights_in_its_namespaces_only() -> None:
    plan = plan_from(
        {
            "metadata": {"name": "relabel"},
            "targets": [{"kinds": ["jobs.batch"], "objects": ["a/x", "b/y"]}],
            "patch": {"labels": {"team": "red"}},
        }
    )

    found = permissions(plan, KINDS, holds_lease=True, listed={0: ["a", "b"]})

    assert facts(list(found)) == [("jobs", ALL, "a", ()), ("jobs", ALL, "b", ())]


def test_a_list_without_objects_of_a_cluster_needs_no_rights_there() -> None:
    plan = plan_from(
        {
            "metadata": {"name": "relabel"},
            "targets": [
                {"kinds": ["jobs.batch"], "objects": ["a/x"]},
                {"kinds": ["tfjobs"], "objects": ["other/b/y"]},
            ],
            "patch": {"labels": {"team": "red"}},
        }
    )

    found = permissions(plan, KINDS, holds_lease=True, listed={0: ["a"], 1: []})

    assert facts(list(found)) == [("jobs", ALL, "a", ())]


def test_the_jobs_between_cron_jobs_and_their_pods_are_listed() -> None:
    block = {"kinds": ["cronjobs"], "namespaces": ["a"], "dependents": ["pods"]}
    found = needed(block)

    assert facts(found) == [
        ("cronjobs", ALL, "a", ()),
        ("pods", ALL, "a", ()),
        ("jobs", ("list",), "a", ()),
    ]
    everywhere = needed({"kinds": ["cronjobs"], "dependents": ["pods"]})
    assert facts(everywhere)[2:] == [("jobs", ("list",), "", ())]
    through = needed({**block, "dependents": ["jobs.batch", "pods"]})
    assert facts(through)[1:] == [("jobs", ALL, "a", ()), ("pods", ALL, "a", ())]
    assert len(needed({**block, "dependents": ["jobs.batch"]})) == 2
