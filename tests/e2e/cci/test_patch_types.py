"""The five kinds on CCI, and the same on a plain API server: every type of patch that each takes.

Covered: plan, apply and undo of each; the request examples of CCI's pages; fields of other owners.
Left out: what is refused (test_refusals), what a PATCH comes to by status
(tests/e2e/test_statuses.py).
"""

import pytest

from tests.cli.calling import Caller
from tests.control_plane import JOB_KINDS, ControlPlane
from tests.e2e.campaigns import ends_well, there_and_back
from tests.e2e.cci.patches import (
    JOBS,
    ON_CCI,
    ON_KUBERNETES,
    TRAINING,
    VOLCANO_JOBS,
    cases,
    labels,
    of_kind,
    on,
    the_change,
    the_patch,
)
from tests.e2e.sandboxes import SandboxServer
from tests.e2e.tool import Tool, plan
from tests.e2e.witnesses import objects


@pytest.mark.usefixtures("variables")
@pytest.mark.parametrize(("kind", "way"), cases(ON_CCI))
def test_each_kind_of_cci_takes_each_type_of_patch_that_its_page_lists(
    cloud: SandboxServer, call: Caller, tool: Tool, kind: str, way: str
) -> None:
    file = tool.write("plan.yaml", on(cloud, the_patch(kind, way), kind))

    there_and_back(call, file, lambda: objects(cloud.client), of_kind(kind, the_change(kind, way)))


@pytest.mark.control_plane
@pytest.mark.parametrize(("kind", "way"), cases(ON_KUBERNETES))
def test_each_kind_is_changed_and_restored_on_a_plain_api_server(
    control_plane: ControlPlane, call: Caller, tool: Tool, kind: str, way: str
) -> None:
    control_plane.kubeconfig(tool.folder / "kubeconfig", user="alice")
    space = control_plane.namespace()
    control_plane.create_jobs(3, space, JOB_KINDS[kind], labels=labels)
    block = {"kinds": [kind], "namespaces": [space], "selector": "app"}
    file = tool.write("plan.yaml", plan("plain", block, patch=the_patch(kind, way)))

    there_and_back(
        call,
        file,
        lambda: objects(control_plane, space=space),
        of_kind(kind, the_change(kind, way)),
    )


@pytest.mark.control_plane
def test_an_apply_without_force_leaves_to_others_what_they_own(
    control_plane: ControlPlane, call: Caller, tool: Tool
) -> None:
    control_plane.kubeconfig(tool.folder / "kubeconfig", user="alice")
    space = control_plane.namespace()
    control_plane.create_jobs(3, space, JOB_KINDS[JOBS], labels=labels)
    block = {"kinds": [JOBS], "namespaces": [space], "selector": "app"}
    patch = {**the_patch(JOBS, "apply"), "force": False}
    before = objects(control_plane, space=space)

    ended = call(
        "apply", tool.write("p.yaml", plan("mild", block, patch=patch)), "-y", "-o", "json"
    )

    assert ended.json["reasons"] == {"skipped": {"owned": 3}}
    details = {one["detail"] for one in tool.targets("mild")}
    assert all(".spec.parallelism" in detail for detail in details), details
    assert objects(control_plane, space=space) == before


@pytest.mark.usefixtures("variables")
@pytest.mark.parametrize(
    ("kind", "value"), [(VOLCANO_JOBS, "patchlabel"), *((kind, "test") for kind in TRAINING[:2])]
)
def test_the_label_examples_of_ccis_pages_change_that_label_and_nothing_else(
    cloud: SandboxServer, call: Caller, tool: Tool, kind: str, value: str
) -> None:
    example = {"metadata": {"labels": {"app": value}}}
    file = tool.write("plan.yaml", on(cloud, {"merge": example}, kind))

    there_and_back(
        call,
        file,
        lambda: objects(cloud.client),
        of_kind(kind, lambda one: one["metadata"]["labels"].update(app=value)),
    )


@pytest.mark.usefixtures("variables")
def test_volcano_jobs_take_a_dry_run_and_the_field_manager_of_the_plan(
    cloud: SandboxServer, call: Caller, tool: Tool
) -> None:
    patch = {**the_patch(VOLCANO_JOBS, "json"), "fieldManager": "platform", "pretty": True}
    file = tool.write("plan.yaml", on(cloud, patch, VOLCANO_JOBS))
    before = objects(cloud.client)

    tried = call("apply", file, "--yes", "--dry-run", "-o", "json")
    assert tried.json["reasons"] == {"applied": {"dry-run": 5}}, tried.err
    assert objects(cloud.client) == before

    applied = call("apply", file, "--yes", "-o", "json")
    assert ends_well(applied, 5)
    assert ends_well(call("undo", applied.json["run"], "--yes", "-o", "json"), 5)
