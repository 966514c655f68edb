"""Which lists in a body only the server knows how to merge.

Left out: that the table is right, which is compared with a real server (tests/differential).
"""

from typing import Any

import pytest

from fleetpatch.model.resource import Resource
from fleetpatch.rules.patching.merge_rules import merge_rules, undecided
from tests.fakes import JOB_RULES

TFJOB_RULES = merge_rules(Resource("kubeflow.org", "v1", "tfjobs", "TFJob"), "1.20")


def test_the_tables_contain_the_lists_of_a_job() -> None:
    container = {
        "name": "main",
        "command": ["true"],
        "env": [{"name": "A"}],
        "ports": [{"containerPort": 80}],
        "livenessProbe": {"exec": {"command": ["true"]}},
        "securityContext": {"capabilities": {"drop": ["ALL"]}},
    }
    pod = {
        "containers": [container],
        "tolerations": [{"key": "gpu"}],
        "volumes": [{"name": "c", "configMap": {"items": [{"key": "k", "path": "p"}]}}],
        "affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{}]}},
    }
    body = {
        "metadata": {"finalizers": ["example.com/a"], "labels": {"a": "b"}},
        "spec": {"parallelism": 2, "template": {"spec": pod}},
    }

    assert undecided(body, JOB_RULES, by_apply=True) == []


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ({"spec": {"ports": [{"port": 80}]}}, [("spec", "ports")]),
        ({"spec": {"new": {"list": [1]}}}, [("spec", "new", "list")]),
        (
            {"spec": {"template": {"spec": {"containers": [{"name": "a"}, {"devices": [1]}]}}}},
            [("spec", "template", "spec", "containers", "1", "devices")],
        ),
    ],
)
def test_lists_that_are_not_in_the_table_are_left_to_the_server(
    body: Any, paths: list[tuple[str, ...]]
) -> None:
    assert undecided(body, JOB_RULES, by_apply=True) == paths


def test_the_definition_of_a_custom_kind_says_how_its_fields_merge() -> None:
    body = {
        "metadata": {"labels": {"a": "b"}, "finalizers": ["example.com/a"]},
        "spec": {"tasks": [{"name": "a"}], "queue": "default", "plugins": {"ssh": []}},
    }

    assert undecided(body, TFJOB_RULES, by_apply=True) == [("spec", "tasks"), ("spec", "plugins")]
