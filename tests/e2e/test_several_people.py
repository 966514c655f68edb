"""Several people work on one campaign: previews, runs and undos that meet.

Covered, with processes and signals: a colleague previews while a run is going, carries the preview
out, undoes the run that is going, forgets it; two undos of one run. Left out: the runs of several
nights (tests/cli/campaigns), several machines (test_steering.py).
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import Popen
from typing import Any

import pytest

from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool, end, eventually, plan

SLOWLY: dict[str, Any] = {"pace": {"rate": "1/s", "burst": 1, "concurrency": 8}}
"""A run that nothing stops takes 100 s; so it is still going whatever a test does meanwhile."""
FAST = ("--rate", "1000/s", "--yes", "-o", "json")


@pytest.fixture
def server(tool: Tool) -> Iterator[SandboxServer]:
    """A sandbox of 100 batch Jobs, and the plan that paints them slowly."""
    block = {"kinds": ["jobs.batch"], "selector": "app"}
    tool.write("plan.yaml", plan("paint", block, patch={"labels": {"colour": "red"}}, **SLOWLY))
    with sandbox(tool, jobs=500) as served:
        yield served


@contextmanager
def going(tool: Tool, server: SandboxServer) -> Iterator[Popen[str]]:
    """Apply the plan in a process that has begun to send; end it by Ctrl-C."""
    process = tool.fork("apply", "plan.yaml", "--yes")
    try:
        eventually(lambda: server.sent() > 2, "some patches")
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
            end(process)


def test_a_colleague_who_previews_while_a_run_is_going_changes_nothing_of_it(
    tool: Tool, server: SandboxServer
) -> None:
    with going(tool, server) as process:
        first = tool.run("status", "paint", "-o", "json").json["run"]
        preview = tool.run("plan", "plan.yaml", "-o", "json").json
        assert preview["run"] != first
        assert tool.run("status", "paint", "-o", "json").json["run"] == first
        assert tool.run("apply", preview["run"], "--yes").code == 6
        process.send_signal(signal.SIGINT)
        assert end(process).code == 5

    continued = tool.run("apply", "plan.yaml", *FAST)

    assert (continued.code, continued.json["run"]) == (0, first), continued.err
    assert continued.json["outcomes"]["applied"] == 100
    # The preview is outdated by now. Carried out by its name, it finds the work done.
    late = tool.run("apply", preview["run"], *FAST)
    assert (late.code, late.json["outcomes"]["failed"]) == (0, 0)
    assert tool.run("undo", "paint", "--all-runs", *FAST).code == 0
    assert not any("colour" in labels for labels in labels_of(server))


def test_a_run_that_is_going_can_be_neither_undone_nor_forgotten(
    tool: Tool, server: SandboxServer
) -> None:
    with going(tool, server):
        assert tool.run("undo", "paint", "--yes").code == 6
        forgotten = tool.run("forget", "paint", "--force")
        assert forgotten.code == 6
        assert tool.run("apply", "plan.yaml", "--yes").code == 6
    assert len(list((tool.state / "runs").glob("*.run"))) == 1


def test_of_two_undos_the_second_is_refused_when_the_first_has_begun(
    tool: Tool, server: SandboxServer
) -> None:
    assert tool.run("apply", "plan.yaml", *FAST).code == 0
    previewed = [tool.run("undo", "paint") for _ in range(2)]
    assert [one.code for one in previewed] == [2, 2]
    undos = sorted(path.stem for path in (tool.state / "runs").glob("undo-*.run"))

    # Both were planned before either was carried out.
    first = tool.run("apply", undos[0], *FAST)
    sent = server.sent()
    second = tool.run("apply", undos[1], *FAST)

    assert first.json["outcomes"]["applied"] == 100
    assert second.code == 2
    assert f"{undos[0]} has sent patches since this undo was planned" in second.err
    assert not any("colour" in labels for labels in labels_of(server))
    assert tool.run("undo", "paint", "--yes").code == 0
    assert server.sent() == sent


def labels_of(server: SandboxServer) -> list[dict[str, str]]:
    listed = server.client.request("GET", "/apis/batch/v1/jobs").body["items"]
    return [one["metadata"].get("labels", {}) for one in listed]
