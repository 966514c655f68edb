"""Forked commands behave as started ones: folder, environment, output, exit code and signals."""

import signal
import subprocess

import pytest

from tests.e2e.sandboxes import sandbox
from tests.e2e.tool import Tool, end, eventually


@pytest.mark.parametrize("words", [("status",), ("apply", "nowhere.yaml")])
def test_a_forked_command_ends_as_a_started_one(tool: Tool, words: tuple[str, ...]) -> None:
    assert end(tool.fork(*words)) == end(tool.start(*words))


def test_a_forked_command_is_a_process_that_receives_signals(tool: Tool) -> None:
    slow = {"action": "slow", "methods": ["LIST"], "latency": {"mean": 60}}
    with sandbox(tool, jobs=20, chaos={"rules": [slow]}) as server:
        words = ("label", "jobs.batch", "a=b", "-A", "-l", "app", "--yes")
        killed, interrupted = tool.fork(*words), tool.fork(*words)
        eventually(lambda: server.requests("list") > 1, "both list")
        assert killed.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            killed.wait(0)

        killed.kill()
        interrupted.send_signal(signal.SIGINT)

        assert end(killed).code == -signal.SIGKILL
        assert (end(interrupted).code, killed.poll()) == (5, -signal.SIGKILL)
