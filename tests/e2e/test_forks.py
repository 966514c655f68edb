"""Forked commands behave as started ones: folder, environment, output, exit code and signals."""

import signal
import subprocess

import pytest

from tests.e2e.sandboxes import sandbox
from tests.e2e.tool import Tool, end, eventually, plan


@pytest.mark.parametrize("words", [("status",), ("apply", "nowhere.yaml")])
def test_a_forked_command_ends_as_a_started_one(tool: Tool, words: tuple[str, ...]) -> None:
    assert end(tool.fork(*words)) == end(tool.start(*words))


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 5)]
)
def test_a_forked_command_is_a_process_that_receives_signals(
    tool: Tool, number: signal.Signals, code: int
) -> None:
    block = {"kinds": ["jobs.batch"], "selector": "app"}
    pace = {"rate": "1/s", "burst": 1}
    slow = plan("slow", block, patch={"labels": {"colour": "red"}}, pace=pace)
    with sandbox(tool, jobs=200) as server:
        process = tool.fork("apply", tool.write("plan.yaml", slow), "--yes")
        eventually(lambda: server.sent() > 0, "it sends")
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0)

        process.send_signal(number)

        assert end(process).code == code == process.poll()
