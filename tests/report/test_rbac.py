"""Permissions as manifests.

Covered: a role for each namespace, bindings, reasons, names that are refused. Left out: which
permissions a plan needs (tests/rules/planning/test_permissions.py).
"""

import pytest
from ruamel.yaml import YAML

from fleetpatch.errors import UsageError
from fleetpatch.report.rbac import ServiceAccount, manifest_lines, read_account
from fleetpatch.rules.planning.permissions import Permission

GROUP = "rbac.authorization.k8s.io"
PERMISSIONS = [
    Permission("batch", "jobs", ("list", "get"), ("targets[0]: one", "targets[1]: two")),
    Permission("", "pods", ("patch",), ("targets[1]: two",), "b", ("one",)),
    Permission("", "namespaces", ("list",), ("targets[0]: three",)),
]


def test_each_namespace_has_a_role_and_a_binding() -> None:
    lines = list(manifest_lines("fleetpatch-x", PERMISSIONS, ServiceAccount("ops", "runner")))
    cluster_role, cluster_binding, role, binding = YAML(typ="safe").load_all("\n".join(lines))

    assert cluster_role == {
        "apiVersion": f"{GROUP}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "fleetpatch-x"},
        "rules": [
            {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["list", "get"]},
            {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list"]},
        ],
    }
    assert cluster_binding == {
        "apiVersion": f"{GROUP}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "fleetpatch-x"},
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": "fleetpatch-x"},
        "subjects": [{"kind": "ServiceAccount", "namespace": "ops", "name": "runner"}],
    }
    assert role["metadata"] == {"namespace": "b", "name": "fleetpatch-x"}
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["pods"], "resourceNames": ["one"], "verbs": ["patch"]}
    ]
    assert (binding["kind"], binding["metadata"]) == ("RoleBinding", role["metadata"])
    assert binding["roleRef"]["kind"] == "Role"


def test_each_rule_has_its_reasons_in_front() -> None:
    lines = list(manifest_lines("fleetpatch-x", PERMISSIONS, None))
    rule = lines.index('- apiGroups: ["batch"]')

    assert lines[rule - 2 : rule] == ["# targets[0]: one", "# targets[1]: two"]


def test_without_an_account_nothing_is_bound() -> None:
    documents = YAML(typ="safe").load_all("\n".join(manifest_lines("x", PERMISSIONS, None)))

    assert [one["kind"] for one in documents] == ["ClusterRole", "Role"]


@pytest.mark.parametrize(
    "text", ["", "runner", "/runner", "ops/", "Ops/runner", "ops/a_b", "a/b/c"]
)
def test_a_name_that_no_account_can_have_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--service-account"):
        read_account(text)


def test_an_account_has_a_namespace_and_a_name() -> None:
    assert read_account("ops/runner.v1") == ServiceAccount("ops", "runner.v1")
