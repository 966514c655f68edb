"""Patches that CCI does not take, and dry runs that it would really carry out, are refused.

Covered: where each is refused, and that nothing is sent then.
Left out: mistakes in detail (tests/model/plan/test_provider_checks).
"""

import re
from typing import Any

import pytest

from tests.cli.calling import Caller
from tests.e2e.cci.patches import (
    FIELDS,
    JOBS,
    ON_CCI,
    TFJOBS,
    TRAINING,
    TYPES,
    VOLCANO_JOBS,
    on,
    the_patch,
)
from tests.e2e.sandboxes import SandboxServer
from tests.e2e.tool import Tool, plan

OPERATION = {"op": "replace", "path": "/status", "value": "Available"}
"""The request example of CCI's page for Jobs."""

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    *(
        (kind, the_patch(kind, way), f"does not accept {way} patches; it accepts")
        for kind, ways in ON_CCI.items()
        for way in TYPES
        if way not in ways
    ),
    *((kind, {"merge": OPERATION}, "looks like a JSON Patch operation") for kind in FIELDS),
    *(
        (
            kind,
            {"merge": {"spec": {"template": {"spec": {"dnsPolicy": "Default"}}}}},
            "it accepts metadata.labels",
        )
        for kind in (JOBS, *TRAINING)
    ),
    *(
        (
            kind,
            {"labels": {"a": "b"}, "fieldManager": "ops"},
            "does not accept fieldManager; it accepts",
        )
        for kind in (JOBS, *TRAINING)
    ),
    (JOBS, {"annotations": {"a": "b"}}, "it accepts metadata.labels, spec.parallelism"),
    (JOBS, {"strategic": {"metadata": {"annotations": {"a": "b"}}}}, "cannot be updated there"),
    (JOBS, {"merge": {"spec": {"activeDeadlineSeconds": 5}}}, "cannot be updated there"),
    (VOLCANO_JOBS, {"merge": {"spec": {"queue": "gold"}}}, "spec.template, spec.replicas"),
    (
        VOLCANO_JOBS,
        {"json": [{"op": "replace", "path": "/spec/tasks/0/replicas", "value": 2}]},
        "cannot be updated there",
    ),
    (TFJOBS, {"merge": {"metadata": {"finalizers": ["a.b/c"]}}}, "cannot be updated there"),
    (TFJOBS, {"merge": {"metadata": {"name": "x"}}}, "identifies the object"),
    (TFJOBS, {"merge": {"metadata": {"uid": "x"}}}, "identifies the object"),
    (TFJOBS, {"merge": {"metadata": {"resourceVersion": "1"}}}, "identifies the object"),
    (TFJOBS, {"merge": {"status": {"phase": "x"}}}, "is written by the kind's controller"),
    (TFJOBS, {"merge": {"metadata": {"labels": None}}}, "would change all labels"),
    (TFJOBS, {"merge": {"spec": {}}}, "changes nothing"),
    (VOLCANO_JOBS, {"labels": {"volcano.sh/queue-name": "x"}}, "schedule a job"),
    (VOLCANO_JOBS, {"labels": {"a": "b"}, "force": True}, "is for apply only"),
    (VOLCANO_JOBS, {"labels": {"a": "b"}, "fieldManager": "x" * 129}, "128"),
    ("pods", {"labels": {"a": "b"}}, "is not a kind of provider cci; it has jobs.batch"),
]


@pytest.mark.usefixtures("variables")
@pytest.mark.parametrize(("kind", "patch", "words"), REFUSED)
def test_a_patch_that_cci_does_not_take_is_refused_with_its_place_before_anything_is_sent(
    cloud: SandboxServer, call: Caller, tool: Tool, kind: str, patch: dict[str, Any], words: str
) -> None:
    file = tool.write("plan.yaml", on(cloud, patch, kind))
    before = cloud.counters()

    for verb in (("plan", file), ("apply", file, "--yes"), ("validate", file)):
        ended = call(*verb)

        assert ended.code == 2
        assert re.match(rf"{re.escape(str(file))}:\d+:\d+: ", ended.err), ended.err
        assert words in ended.err
    assert cloud.counters() == before


@pytest.mark.parametrize("kind", [VOLCANO_JOBS, *TRAINING])
def test_a_strategic_patch_of_a_custom_kind_is_refused_on_any_cluster(
    call: Caller, tool: Tool, kind: str
) -> None:
    block = {"kinds": [kind], "selector": "app"}
    patch = {"strategic": {"metadata": {"labels": {"a": "b"}}}}

    ended = call("apply", tool.write("plan.yaml", plan("strategic", block, patch=patch)), "--yes")

    assert ended.code == 2
    assert "does not accept strategic patches; it accepts merge, json, apply" in ended.err


@pytest.mark.usefixtures("variables")
@pytest.mark.parametrize("kind", [JOBS, *TRAINING])
def test_a_dry_run_is_refused_where_cci_would_really_patch(
    cloud: SandboxServer, call: Caller, tool: Tool, kind: str
) -> None:
    file = tool.write("plan.yaml", on(cloud, the_patch(kind, "labels"), kind))
    before = cloud.sent()

    ended = call("apply", file, "--yes", "--dry-run")

    assert ended.code == 2
    assert "does not support dryRun, and would really be patched" in ended.err
    assert cloud.sent() == before
