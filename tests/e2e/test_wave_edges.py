"""Edge cases of waves: delayed, shared between clusters, or interrupted.

Covered: the shares of two clusters in every wave, a pause that outlives kill -9 in its length,
signals in a pause and in a check (neither is a failure), a check by a condition that holds, and
processes that a check's command leaves behind.
Left out: waves that go their usual way (test_waves.py), virtual time (tests/campaign).
"""

import json
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from fleetpatch.engine.clock import SystemClock
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import HANG, SOON, Tool, end, eventually, plan
from tests.e2e.witnesses import MILLISECOND, settled_at

HOUR = 3600.0
JOBS = 100
BATCH_JOBS = JOBS // 5
BATCH = {"kinds": ["jobs.batch"], "selector": "app"}


def stepwise(fleet: list[Any] | None = None, **waves: Any) -> dict[str, Any]:
    sections = {"waves": {"sizes": [1, "10%", "100%"], **waves}, "fleet": fleet or []}
    kept = {key: section for key, section in sections.items() if section}
    return plan("stepwise", BATCH, patch={"labels": {"cost": "new"}}, **kept)


@pytest.fixture
def server(tool: Tool) -> Iterator[SandboxServer]:
    with sandbox(tool, jobs=JOBS) as served:
        yield served


def logged(tool: Tool) -> str:
    return "".join(log.read_text() for log in tool.state.rglob("*.jsonl"))


def wave_starts(tool: Tool) -> list[float]:
    """When waves started, in seconds since the epoch."""
    (run_file,) = tool.state.rglob("*.run")
    lines = [line for line in tool.log(run_file) if line["event"] == "wave.started"]
    return [datetime.fromisoformat(line["timestamp"]).timestamp() for line in lines]


def test_clusters_share_every_wave(tool: Tool) -> None:
    names = ("east", "west")
    fleet = [{"name": name, "context": name} for name in names]
    file = tool.write("plan.yaml", stepwise(fleet, sizes=[4, "100%"]))
    own = [replace(tool, kubeconfig=tool.folder / f"{name}.kubeconfig") for name in names]
    with sandbox(own[0], jobs=JOBS) as east, sandbox(own[1], jobs=JOBS) as west:
        know_all(tool, {"east": east, "west": west})
        ended = tool.run("apply", file, "--yes", "-o", "json")
        assert (east.sent(), west.sent()) == (BATCH_JOBS, BATCH_JOBS)

    assert ended.code == 0, ended.err
    waves: list[Counter[str]] = []
    for line in tool.log(ended.json["runFile"]):
        if line["event"] == "wave.started":
            waves.append(Counter())
        elif line["event"] == "target.applied":
            waves[-1][line["cluster"]] += 1
    assert waves == [{"east": 2, "west": 2}, {"east": 18, "west": 18}]


def know_all(tool: Tool, servers: dict[str, SandboxServer]) -> None:
    """Make one kubeconfig out of those of the sandboxes, with contexts of these names."""
    assert tool.kubeconfig is not None
    merged: dict[str, Any] = {"apiVersion": "v1", "kind": "Config"}
    for name, server in servers.items():
        own = json.loads(server.kubeconfig.read_text())
        for part in ("clusters", "users"):
            merged.setdefault(part, []).append({**own[part][0], "name": name})
        context = {"name": name, "context": {"cluster": name, "user": name}}
        merged.setdefault("contexts", []).append(context)
    tool.kubeconfig.write_text(json.dumps(merged))


def test_kill_in_a_pause_neither_shortens_nor_repeats_it(
    tool: Tool, server: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tool.write("plan.yaml", stepwise(sizes=[1, "100%"], pause="1h"))
    process = tool.fork("apply", file, "--yes")
    eventually(lambda: "wave.paused" in logged(tool), "the pause")
    process.kill()
    end(process)
    assert server.sent() == 1

    # For the second session, most of the hour is over.
    ahead = HOUR - 5
    monkeypatch.setattr(SystemClock, "wall", lambda _clock: time.time() + ahead)
    ended = tool.run("apply", file, "--yes", "-o", "json")

    assert ended.code == 0, ended.err
    assert set(server.patches().values()) == {1}
    assert server.sent() == BATCH_JOBS
    run_file = Path(ended.json["runFile"])
    _, second = wave_starts(tool)
    assert second >= settled_at(run_file)[0] + HOUR - MILLISECOND
    until = {line["until"] for line in tool.log(run_file) if line["event"] == "wave.paused"}
    assert len(until) == 1, "both sessions wait for the same moment"


def test_a_signal_ends_a_pause_and_begins_nothing(tool: Tool, server: SandboxServer) -> None:
    process = tool.fork("apply", tool.write("plan.yaml", stepwise(pause="1h")), "--yes")
    eventually(lambda: "wave.paused" in logged(tool), "the pause")
    process.send_signal(signal.SIGTERM)
    ended = end(process, timeout=SOON)

    assert ended.code == 5, ended.err
    assert "Cause: interrupted by SIGTERM" in ended.out
    assert server.sent() == len(wave_starts(tool)) == 1


def test_a_signal_ends_a_check_and_is_not_held_against_the_run(
    tool: Tool, server: SandboxServer
) -> None:
    command = ["sh", "-c", f"touch began; exec sleep {HANG}"]
    file = tool.write("plan.yaml", stepwise(check={"command": command}))
    process = tool.fork("apply", file, "--yes", "-o", "json")
    eventually((tool.folder / "began").exists, "the check")
    process.send_signal(signal.SIGTERM)
    ended = end(process, timeout=SOON)

    assert ended.code == 5, ended.err
    assert (ended.json["state"], ended.json["cause"]) == ("paused", "interrupted by SIGTERM")
    assert server.sent() == 1


def test_a_check_by_a_condition_that_holds_lets_the_run_go_on(
    tool: Tool, server: SandboxServer
) -> None:
    check = {"kinds": ["tfjobs"], "selector": "app", "condition": "Running", "timeout": "60s"}

    ended = tool.run("apply", tool.write("plan.yaml", stepwise(check=check)), "--yes")

    assert (ended.code, server.sent()) == (0, BATCH_JOBS), ended.out


def test_a_check_ends_with_its_command_whatever_that_leaves_behind(
    tool: Tool, server: SandboxServer
) -> None:
    check = {"command": ["sh", "-c", f"sleep {HANG} & exit 0"], "timeout": f"{HANG:.0f}s"}
    file = tool.write("plan.yaml", stepwise(sizes=[4, "100%"], check=check))

    ended = tool.run("apply", file, "--yes", "-o", "json")

    assert ended.code == 0, ended.err
    assert ended.json["elapsedSeconds"] < SOON
    assert server.sent() == BATCH_JOBS


def test_a_check_that_takes_too_long_leaves_nothing_behind(
    tool: Tool, server: SandboxServer
) -> None:
    child = tool.write("not-yet", {}).parent / "child"
    script = f"sh -c 'echo $$ > {child}.new; mv {child}.new {child}; exec sleep {HANG}'; exit 0"
    check = {"command": ["sh", "-c", script], "timeout": "2s"}
    file = tool.write("plan.yaml", stepwise(sizes=[4, "100%"], check=check))

    ended = tool.run("apply", file, "--yes", "-o", "json")

    assert ended.code == 4
    assert "did not end within 2 s" in ended.json["cause"]
    eventually(lambda: not Path(f"/proc/{child.read_text().strip()}").exists(), "it is gone")
    assert server.sent() == 4
