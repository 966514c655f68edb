"""A change of which the server stores a part: `failed: not-effective`, recorded, and undone.

Covered, on the sandbox: a field that is pruned beside a label that is stored, `undo` of it at once,
after `resume --failed`, and of a target that was taken up again and never sent; a JSON Patch, which
must not be repeated, and a field of the spec beside an annotation.
Left out: which value is whose (tests/rules/answers/test_settlement.py, tests/engine).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleetpatch.campaign.running.apply import reopen_failed
from fleetpatch.campaign.settings import Settings
from fleetpatch.model.change import PatchType
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool, plan

HALF = {"merge": {"metadata": {"labels": {"cost": "new"}}, "spec": {"paralellism": 2}}}
JOBS = {"kinds": ["jobs.batch"], "selector": "app"}


@pytest.fixture
def server(tool: Tool) -> Iterator[SandboxServer]:
    with sandbox(tool, jobs=50, namespaces=1) as served:
        yield served


@pytest.fixture
def run_file(tool: Tool, server: SandboxServer) -> Path:
    """A run of which every target failed with its label stored."""
    before = labels(server)
    file = tool.write("plan.yaml", plan("half", JOBS, patch=HALF))
    ended = tool.run("apply", file, "--yes", "-o", "json")
    assert ended.json["reasons"] == {"failed": {"not-effective": len(before)}}, ended.err
    assert set(labels(server).values()) == {"new"}
    return Path(ended.json["runFile"])


def labels(server: SandboxServer) -> dict[str, Any]:
    """Return the label that the plan sets, by the name of the job."""
    items = server.client.request("GET", "/apis/batch/v1/jobs").body["items"]
    return {
        item["metadata"]["name"]: item["metadata"].get("labels", {}).get("cost") for item in items
    }


def undone(tool: Tool, run_file: Path) -> dict[str, Any]:
    ended = tool.run("undo", run_file, "--yes", "-o", "json")
    assert ended.code == 0, ended.err
    outcomes: dict[str, Any] = ended.json["outcomes"]
    return outcomes


def test_the_part_that_was_stored_is_reported_and_undone(
    tool: Tool, server: SandboxServer, run_file: Path
) -> None:
    detail = tool.targets(run_file)[0]["detail"]
    count = len(labels(server))

    outcomes = undone(tool, run_file)

    assert "spec.paralellism is absent, wanted 2" in detail
    assert "metadata.labels.cost is 'new', as wanted" in detail
    assert outcomes["applied"] == count
    assert set(labels(server).values()) == {None}


def test_a_retried_target_does_not_take_our_change_for_another_writers(
    tool: Tool, server: SandboxServer, run_file: Path
) -> None:
    count = len(labels(server))

    again = tool.run("resume", run_file, "--failed", "--yes", "-o", "json")

    assert again.json["reasons"] == {"failed": {"not-effective": count}}, again.err
    assert undone(tool, run_file)["applied"] == count
    assert set(labels(server).values()) == {None}


def test_a_value_of_another_writer_is_not_overwritten(
    tool: Tool, server: SandboxServer, run_file: Path
) -> None:
    target = tool.targets(run_file)[0]
    path = f"/apis/batch/v1/namespaces/{target['namespace']}/jobs/{target['name']}"
    theirs = {"metadata": {"labels": {"cost": "theirs"}}}
    assert server.client.request("PATCH", path, theirs, PatchType.MERGE.value).status == 200

    outcomes = undone(tool, run_file)

    assert outcomes["skipped"] == 1
    assert labels(server)[target["name"]] == "theirs"


def test_reopened_targets_that_were_not_sent_again_are_undone_too(
    tool: Tool, server: SandboxServer, run_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tool.kubeconfig))
    count = reopen_failed(run_file, Settings(tool.state))

    assert undone(tool, run_file)["applied"] == count == len(labels(server))
    assert set(labels(server).values()) == {None}


@pytest.mark.parametrize(
    "patch",
    [
        {
            "json": [
                {"op": "add", "path": "/metadata/labels/cost", "value": "new"},
                {"op": "add", "path": "/spec/paralellism", "value": 2},
            ]
        },
        {
            "strategic": {
                "metadata": {"annotations": {"note": "x"}, "labels": {"cost": "new"}},
                "spec": {"parallelism": 7, "template": {"spec": {"nodeselector": {"a": "b"}}}},
            }
        },
    ],
    ids=["json", "strategic"],
)
def test_a_part_that_another_type_of_patch_stored_is_undone_after_a_second_try(
    tool: Tool, server: SandboxServer, patch: dict[str, Any]
) -> None:
    def stored() -> dict[str, Any]:
        items = server.client.request("GET", "/apis/batch/v1/jobs").body["items"]
        kept = ("labels", "annotations")
        return {
            item["metadata"]["name"]: (
                item["spec"],
                {key: item["metadata"].get(key) or {} for key in kept},
            )
            for item in items
        }

    before = stored()
    file = tool.write("plan.yaml", plan("half", JOBS, patch=patch))

    ended = tool.run("apply", file, "--yes", "-o", "json")
    again = tool.run("resume", "half", "--failed", "--yes", "-o", "json")

    failed = {"failed": {"not-effective": len(before)}}
    assert [each.json["reasons"] for each in (ended, again)] == [failed, failed]
    assert set(labels(server).values()) == {"new"}
    assert undone(tool, Path(ended.json["runFile"]))["applied"] == len(before)
    assert stored() == before
