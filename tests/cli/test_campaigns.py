"""A plan's name means its campaign: all the runs of it that were started.

Covered: previews and what carries them out, plans that were changed while a run is unfinished,
several runs of one plan in `status`, `targets`, `resume` and `undo`.
Left out: how runs are found by name (tests/journal/test_campaigns.py).
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.calling import Caller, Ended
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool, plan

ETL = {"kinds": ["jobs.batch"], "selector": "app=etl"}
BY_HAND: dict[str, Any] = {"waves": {"sizes": [1, "100%"], "promote": "manual"}}
"""After its first wave a run is paused until a person promotes it."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SandboxServer]:
    """A sandbox of its own for each test: 40 batch Jobs, some of them of etl."""
    with sandbox(Tool(tmp_path), jobs=200) as served:
        yield served


def write(tool: Tool, colour: str = "red", **more: Any) -> Path:
    return tool.write("plan.yaml", plan("paint", ETL, patch={"labels": {"colour": colour}}, **more))


def previewed(call: Caller, *words: object) -> str:
    ended = call("plan", "plan.yaml", *words, "-o", "json")
    assert ended.code == 0, ended.err
    run: str = ended.json["run"]
    return run


def applied(call: Caller, *words: object, code: int = 0) -> str:
    ended = call("apply", *words, "--yes", "-o", "json")
    assert ended.code == code, ended.err
    run: str = ended.json["run"]
    return run


def refused(ended: Ended, words: str) -> None:
    assert (ended.code, ended.out) == (2, ""), ended
    assert re.fullmatch(r"fleetpatch: [^\n]+\n", ended.err), ended.err
    assert re.search(words, ended.err), ended.err


def test_a_preview_is_carried_out_by_its_name_and_not_by_the_plan(tool: Tool, call: Caller) -> None:
    write(tool)
    run = previewed(call)

    assert applied(call, "plan.yaml") != run
    assert applied(call, run) == run


def test_apply_expands_the_plan_afresh_and_finds_what_was_created_since_the_preview(
    tool: Tool, call: Caller, server: SandboxServer
) -> None:
    write(tool)
    run = previewed(call)
    pod = {"restartPolicy": "Never", "containers": [{"name": "a", "image": "a"}]}
    metadata = {"name": "late", "labels": {"app": "etl"}}
    job = {"metadata": metadata, "spec": {"template": {"spec": pod}}}
    path = "/apis/batch/v1/namespaces/default/jobs"
    assert server.client.request("POST", path, job).status == 201

    late = tool.targets(applied(call, "plan.yaml"))

    assert "late" in {one["name"] for one in late}
    assert len(tool.targets(run)) == len(late) - 1


def test_what_plan_was_allowed_is_not_carried_over_to_apply(tool: Tool, call: Caller) -> None:
    document = plan("all", {"kinds": ["jobs.batch"]}, patch={"labels": {"colour": "red"}})
    tool.write("plan.yaml", document)
    run = previewed(call, "--all")

    ended = call("apply", "plan.yaml", "--yes")

    assert ended.code == 2
    assert "pass --all if you mean all of them" in ended.err
    assert applied(call, run) == run


def test_a_colleagues_preview_does_not_take_the_place_of_the_run_under_way(
    tool: Tool, call: Caller
) -> None:
    write(tool, **BY_HAND)
    run = applied(call, "plan.yaml", code=5)
    previewed(call)

    ended = call("apply", "plan.yaml", "--yes", "-o", "json")

    assert (ended.code, ended.json["run"]) == (5, run)
    assert call("status", "paint", "-o", "json").json["run"] == run
    assert call("resume", "paint", "--promote", "-o", "json").json["run"] == run
    assert applied(call, "plan.yaml") != run


def test_a_changed_plan_is_refused_while_a_run_of_its_name_is_unfinished(
    tool: Tool, call: Caller, server: SandboxServer
) -> None:
    write(tool, **BY_HAND)
    run = applied(call, "plan.yaml", code=5)
    write(tool, "green")
    sent = server.sent()

    refused(
        call("apply", "plan.yaml", "--yes"),
        rf"resume {run}`\), end it \(`fleetpatch cancel {run}`\), or use --new to start another",
    )
    assert server.sent() == sent
    assert applied(call, "plan.yaml", "--new") != run


def test_a_preview_of_a_former_text_does_not_refuse_the_changed_plan(
    tool: Tool, call: Caller
) -> None:
    write(tool)
    previewed(call)
    write(tool, "green")

    assert call("apply", "plan.yaml", "--yes").code == 0


def test_a_plans_name_carries_out_the_only_preview_and_refuses_several(
    tool: Tool, call: Caller
) -> None:
    write(tool)
    one = previewed(call)
    assert applied(call, "paint") == one
    two, three = previewed(call), previewed(call)

    refused(call("apply", "paint", "--yes"), f"2 of its runs are previews: {three}, {two}; name")
