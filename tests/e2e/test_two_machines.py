"""Two machines share a state directory: one of them carries a run out, or believes that it does.

Covered, with processes: a session elsewhere that has not reported yet, one whose heartbeat cannot
be read, and one that has taken a run over from this machine. Left out: a session elsewhere that
reports (test_steering_elsewhere.py), the heartbeat file itself (tests/journal/test_heartbeat.py).
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fleetpatch.journal.runs import heartbeat
from fleetpatch.journal.runs.heartbeat import Heartbeat
from fleetpatch.model.live import Holder
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool, end, eventually, plan
from tests.e2e.witnesses import record
from tests.repeating import repeating

FAST = ("--yes", "--rate", "1000/s")
BATCH_JOBS = 20


def written(tool: Tool, **more: Any) -> Path:
    """Write the plan; `more` is added to it."""
    block = {"kinds": ["jobs.batch"], "selector": "app"}
    return tool.write(
        "plan.yaml", plan("paint", block, patch={"labels": {"colour": "red"}}, **more)
    )


@pytest.fixture
def server(tool: Tool) -> Iterator[SandboxServer]:
    """A sandbox of 20 batch Jobs."""
    with sandbox(tool, jobs=5 * BATCH_JOBS) as served:
        yield served


@pytest.fixture
def run_file(tool: Tool, server: SandboxServer) -> Path:
    """The run file of a run that has changed three targets, and was killed."""
    process = tool.fork(
        "apply", written(tool, waves={"sizes": [3, "100%"], "pause": "1h"}), "--yes"
    )
    eventually(lambda: server.sent() == 3, "some patches")
    (found,) = (tool.state / "runs").glob("*.run")
    # So none is on its way, which could arrive after the end of the process.
    eventually(lambda: record(found).counts["applied"] == 3, "the pause after the first wave")
    process.kill()
    end(process)
    return found


def write_beat(run_file: Path) -> None:
    """Write a heartbeat of another machine that reports nothing, as in its first second."""
    holder = Holder("t", "ann", "host-7", 4711, "2027-01-15T08:00:00Z", "another-machine", "0.2")
    heartbeat.write(run_file, Heartbeat(holder, time.monotonic_ns(), time.time()))


def write_rubbish(run_file: Path) -> None:
    """Write a heartbeat that cannot be read, such as that of another user or a later version."""
    draft = run_file.with_name("draft")
    draft.write_bytes(b"{")
    draft.replace(heartbeat.beside(run_file))


@pytest.mark.parametrize("write", [write_beat, write_rubbish])
def test_a_run_on_another_machine_that_has_not_reported_is_neither_doubled_nor_removed(
    tool: Tool, server: SandboxServer, run_file: Path, write: Callable[[Path], None]
) -> None:
    sent = server.sent()
    with repeating(lambda: write(run_file), 0.05):
        for words in (
            ("apply", "plan.yaml", *FAST),
            ("resume", "paint", *FAST),
            ("resume", run_file.stem, *FAST),
            ("undo", "paint", *FAST),
            ("undo", run_file.stem, *FAST),
            ("forget", "paint", "--force"),
            ("forget", run_file.stem, "--force"),
            ("status", "paint"),
            ("status", run_file.stem),
            ("targets", "paint"),
        ):
            refused = tool.run(*words)
            assert (refused.code, "another machine" in refused.err) == (6, True), (words, refused)
    assert server.sent() == sent
    assert run_file.exists()


def test_a_run_on_another_machine_that_has_not_reported_hides_no_other_run(
    tool: Tool, run_file: Path
) -> None:
    assert tool.run("plan", "plan.yaml").code == 0
    with repeating(lambda: write_beat(run_file), 0.05):
        listed = tool.run("runs")

    assert listed.code == 0, listed.err
    assert listed.out.count("planned") == 1
    assert "host-7" in listed.err


def test_a_session_sends_nothing_more_once_another_machine_has_taken_the_run_over(
    tool: Tool, server: SandboxServer
) -> None:
    process = tool.fork("apply", written(tool, pace={"rate": "6/m", "burst": 1}), "--yes")
    eventually(lambda: server.sent() > 0, "a patch")
    (run_file,) = (tool.state / "runs").glob("*.run")

    # Again and again, since the two may write at the same moment.
    with repeating(lambda: write_beat(run_file), 0.05):
        ended = end(process)

    assert (ended.code, "host-7" in ended.err) == (6, True), ended.err
    assert server.sent() < BATCH_JOBS
    found = heartbeat.read(run_file)
    assert found is not None
    assert found.holder.host == "host-7"
    # Nobody is there any more, so the run goes on here.
    heartbeat.beside(run_file).unlink()
    resumed = tool.run("resume", "paint", *FAST, "-o", "json")
    assert (resumed.code, resumed.json["outcomes"]["applied"]) == (0, BATCH_JOBS), resumed.err
