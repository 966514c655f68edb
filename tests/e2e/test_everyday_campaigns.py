"""Everyday use of the tool, on a real API server.

Covered: dry runs, `label` and `annotate`, a plan that removes the label it selects on, users with
fewer rights (who may not list, who may not patch), digests.
Left out: mistakes on the command line (tests/cli).
"""

from typing import Any

import pytest

from tests.control_plane import ControlPlane
from tests.e2e.fleets import snapshot, versions
from tests.e2e.tool import Tool, eventually, plan

pytestmark = pytest.mark.control_plane

COUNT = 30


@pytest.fixture
def space(control_plane: ControlPlane, tool: Tool) -> str:
    """A namespace with jobs, and a kubeconfig of alice's."""
    assert tool.kubeconfig is not None
    control_plane.kubeconfig(tool.kubeconfig, user="alice")
    space = control_plane.namespace()
    control_plane.create_jobs(COUNT, space, labels=lambda index: {"app": "etl", "n": str(index)})
    return space


def block(space: str) -> dict[str, Any]:
    return {"kinds": ["jobs.batch"], "namespaces": [space], "selector": "app=etl"}


def test_a_dry_run_stores_nothing_and_the_run_itself_comes_after_it(
    control_plane: ControlPlane, tool: Tool, space: str
) -> None:
    file = tool.write("plan.yaml", plan("paint", block(space), patch={"labels": {"team": "red"}}))
    before = snapshot(control_plane, [space])

    tried = tool.run("apply", file, "--yes", "--dry-run", "-o", "json")

    assert tried.code == 0, tried.err
    assert tried.json["reasons"] == {"applied": {"dry-run": COUNT}}
    assert tried.json["requests"]["patch"] == COUNT
    assert snapshot(control_plane, [space]) == before
    applied = tool.run("apply", file, "--yes", "-o", "json")
    assert applied.code == 0, applied.err
    assert applied.json["reasons"] == {"applied": {"patched": COUNT}}
    assert applied.json["run"] != tried.json["run"]


def test_a_dry_run_reports_that_nothing_was_stored(tool: Tool, space: str) -> None:
    ended = tool.run("label", "jobs.batch", "team=red", "-n", space, "-l", "app", "--dry-run", "-y")

    assert ended.code == 0, ended.err
    assert "dry run: the servers stored nothing" in ended.out


def test_labels_and_annotations_are_set_and_removed_as_with_kubectl(
    control_plane: ControlPlane, tool: Tool, space: str
) -> None:
    words = ("jobs.batch", "team=red", "n-", "-n", space, "-l", "app=etl", "--yes")
    assert tool.run("label", *words).code == 0
    assert tool.run("annotate", *words[:1], "why=a b, c=d", *words[3:]).code == 0

    for metadata in snapshot(control_plane, [space]).values():
        assert metadata["labels"] == {"app": "etl", "team": "red"}
        assert metadata["annotations"] == {"why": "a b, c=d"}


def test_a_plan_may_remove_the_very_label_that_it_selects_on(
    control_plane: ControlPlane, tool: Tool, space: str
) -> None:
    file = tool.write("plan.yaml", plan("rid", block(space), patch={"labels": {"app": None}}))

    ended = tool.run("apply", file, "--yes", "-o", "json")

    assert ended.code == 0, ended.err
    assert ended.json["outcomes"]["applied"] == COUNT
    assert all("app" not in seen["labels"] for seen in snapshot(control_plane, [space]).values())
    again = tool.run("apply", file, "--yes")
    assert again.code == 0
    assert "Nothing matches the plan any more" in again.err


def test_the_digest_of_a_reviewed_plan_lets_that_plan_through_and_no_other(
    control_plane: ControlPlane, tool: Tool, space: str
) -> None:
    paint = plan("paint", block(space), patch={"labels": {"team": "red"}})
    file = tool.write("plan.yaml", paint)
    digest = tool.run("plan", file, "-o", "json").json["plan"]["digest"]
    paint["patch"]["labels"]["team"] = "green"
    tool.write("plan.yaml", paint)
    before = versions(snapshot(control_plane, [space]))

    refused = tool.run("apply", file, "--yes", "--digest", digest)

    assert refused.code == 2
    assert "it is not the one that was reviewed" in refused.err
    assert versions(snapshot(control_plane, [space])) == before
    paint["patch"]["labels"]["team"] = "red"
    tool.write("plan.yaml", paint)
    assert tool.run("apply", file, "--yes", "--digest", digest).code == 0


def test_the_error_of_a_user_who_may_not_list_names_the_missing_verb(
    control_plane: ControlPlane, tool: Tool, space: str
) -> None:
    assert tool.kubeconfig is not None
    control_plane.kubeconfig(tool.kubeconfig, user="bob")

    ended = tool.run("label", "jobs.batch", "team=red", "-n", space, "-l", "app=etl", "--yes")

    assert ended.code == 1
    assert len(ended.err.splitlines()) == 1
    assert 'User "bob" cannot list resource "jobs"' in ended.err
    assert "have the verb `list` granted" in ended.err


def test_a_user_who_may_list_but_not_patch_fails_every_target_and_changes_none(
    control_plane: ControlPlane, tool: Tool, space: str
) -> None:
    assert tool.kubeconfig is not None
    control_plane.kubeconfig(tool.kubeconfig, user="bob")
    let_bob_list(control_plane, space)
    before = snapshot(control_plane, [space])

    ended = tool.run(
        "label", "jobs.batch", "team=red", "-n", space, "-l", "app=etl", "--yes", "-o", "json"
    )

    assert ended.code == 3
    assert ended.json["reasons"] == {"failed": {"forbidden": COUNT}}
    assert ended.json["requests"]["patch"] == COUNT
    assert snapshot(control_plane, [space]) == before
    detail = tool.targets(ended.json["run"])[0]["detail"]
    assert 'User "bob" cannot patch resource "jobs"' in detail


def let_bob_list(control_plane: ControlPlane, space: str) -> None:
    group = "rbac.authorization.k8s.io"
    path = f"/apis/{group}/v1/namespaces/{space}"
    rules = [{"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["get", "list"]}]
    binding = {
        "metadata": {"name": "bob"},
        "roleRef": {"apiGroup": group, "kind": "Role", "name": "lister"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": "bob"}],
    }
    for kind, body in (
        ("roles", {"metadata": {"name": "lister"}, "rules": rules}),
        ("rolebindings", binding),
    ):
        assert control_plane.request("POST", f"{path}/{kind}", body).status == 201
    listing = f"/apis/batch/v1/namespaces/{space}/jobs"
    token = control_plane.token("bob")
    # The authorizer learns of the binding through a watch.
    eventually(
        lambda: control_plane.request("GET", listing, token=token).status == 200,
        "bob is allowed to list",
    )
