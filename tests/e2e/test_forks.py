"""Forked commands behave as started ones: folder, environment, output, exit code and signals."""

import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

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


def test_a_signal_to_a_forked_command_that_ends_at_this_moment_has_no_effect(
    tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = tool.fork("status")
    assert process.wait(60) == 0
    # As if it had ended right after this question.
    monkeypatch.setattr(process, "poll", lambda: None)

    process.send_signal(signal.SIGTERM)

    assert end(process).code == 0


def test_commands_may_be_forked_by_several_threads_at_once(tool: Tool) -> None:
    names = [f"nowhere-{number}" for number in range(8)]

    with ThreadPoolExecutor(len(names)) as pool:
        ended = list(pool.map(lambda name: end(tool.fork("status", name)), names))

    assert all(name in one.err for name, one in zip(names, ended, strict=True)), ended
