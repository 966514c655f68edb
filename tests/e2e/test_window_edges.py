"""The edges of a window, by the command line.

Covered: a window that closes over a run whose answers are slow, three nights by the same command
and a fourth with nothing to do, waiting for the opening, being kubeconfig to stop waiting.
Left out: runs wholly inside or outside (test_windows.py), when a window is open (tests/rules).

A window opens on the minute. The command line runs within this process, under a wall clock that is
put to the moment wanted. It stays there, or goes on as fast as any, until so many PATCHes have
arrived.
"""

import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from fleetpatch.engine.clock import SystemClock
from tests.cli.calling import Caller
from tests.e2e.computed_fleet import Trigger
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.spies import spying
from tests.e2e.tool import SOON, Tool, end, eventually, plan

JOBS = 250
BATCH_JOBS = JOBS // 5
OPENS = datetime(2031, 3, 1, 2, 0, tzinfo=UTC).timestamp()
DAY = 86_400.0
IN_FLIGHT = 8
NIGHTLY = {"opens": "0 2 * * *", "lasts": "5s"}


class Wall:
    """The wall clock that fleetpatch reads in this process."""

    def __init__(self) -> None:
        self._ahead, self._stopped_at = 0.0, 0.0

    def put(self, moment: float) -> None:
        """Make it `moment` now, in seconds since the epoch; it goes on from there."""
        self._ahead, self._stopped_at = moment - time.time(), 0.0

    def stop_at(self, moment: float) -> None:
        """Make it `moment` until it is put to another one."""
        self._stopped_at = moment

    def now(self) -> float:
        return self._stopped_at or time.time() + self._ahead


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    wall = Wall()
    monkeypatch.setattr(SystemClock, "wall", lambda _: wall.now())
    return wall


@contextmanager
def noting(
    server: SandboxServer, wall: Wall, trigger: Trigger
) -> Iterator[list[tuple[float, str]]]:
    """Note each request: when it comes in, by `wall`, and its method."""
    requests: list[tuple[float, str]] = []

    def note(method: str, path: str) -> bool:
        requests.append((wall.now(), method))
        return trigger.arrives(method, path)

    with spying(server, note) as spy:
        kubeconfig = server.kubeconfig.read_text()
        server.kubeconfig.write_text(kubeconfig.replace(server.server, spy.server))
        yield requests


def nightly(window: dict[str, Any], **more: Any) -> dict[str, Any]:
    block = {"kinds": ["jobs.batch"], "selector": "app"}
    return plan("nightly", block, patch={"labels": {"cost": "new"}}, window=window, **more)


def test_a_window_that_closes_ends_the_run_and_nothing_is_sent_after_the_cutoff(
    tool: Tool, call: Caller, wall: Wall
) -> None:
    window = {"opens": "0 2 * * *", "lasts": "62s", "drain": "60s"}
    pace = {"rate": "20/s", "concurrency": IN_FLIGHT}
    file = tool.write("plan.yaml", nightly(window, pace=pace))
    slow, trigger = {"latency": {"mean": 0.3}}, Trigger()
    trigger.at(10, lambda: wall.put(OPENS + 2))
    with (
        sandbox(tool, jobs=JOBS, chaos=slow) as server,
        noting(server, wall, trigger) as requests,
    ):
        wall.stop_at(OPENS)
        ended = call("apply", file, "--yes", "-o", "json")
        over = wall.now()

        assert ended.code == 5, ended.err
        counts = ended.json["outcomes"]
        assert counts["applied"] == server.sent(), "what was in flight is on record"
        assert counts["pending"] == BATCH_JOBS - counts["applied"]
        assert not any(one["inDoubt"] for one in tool.targets("nightly"))

    sent = [at for at, method in requests if method == "PATCH"]
    assert min(sent) >= OPENS
    assert 10 <= len(sent) < 10 + IN_FLIGHT, "those that were in flight at the cutoff"
    assert over < OPENS + 62, "and it is all over before the window closes"
    assert "opens next at 2031-03-02T02:00:00+00:00 (UTC)" in ended.json["cause"]


def test_one_command_every_night_does_it_all_in_three_nights_and_then_nothing(
    tool: Tool, call: Caller, wall: Wall
) -> None:
    window = {**NIGHTLY, "timezone": "Europe/Berlin"}
    file = tool.write("plan.yaml", nightly(window, pace={"concurrency": 1}))
    # On the 28th the clocks of Berlin skip two o'clock, so that it opens at three: 01:00 UTC.
    first = datetime(2027, 3, 27, 1, tzinfo=UTC).timestamp()
    openings = (first, first + DAY, first + DAY + 23 * 3600, first + 2 * DAY + 23 * 3600)
    trigger = Trigger()
    with sandbox(tool, jobs=JOBS) as server, noting(server, wall, trigger):
        ends, sent = [], [0]
        for opening in openings:
            wall.stop_at(opening)
            # The window closes while the twentieth PATCH of the night is on its way.
            trigger.at(20, partial(wall.put, opening + 5))
            ends.append(call("apply", file, "--yes", "-o", "json"))
            sent.append(server.sent())

        assert [ended.code for ended in ends] == [5, 5, 0, 0], [ended.err for ended in ends]
        assert [after - before for before, after in pairwise(sent)] == [20, 20, 10, 0]
        assert len(server.patches()) == BATCH_JOBS
        assert set(server.patches().values()) == {1}
    assert len({ended.json["run"] for ended in ends[:3]}) == 1
    assert [ended.json["state"] for ended in ends] == ["paused", "paused", "finished", "finished"]


@pytest.mark.parametrize("planned", [False, True])
def test_nothing_is_sent_during_the_wait_for_the_opening(
    tool: Tool, call: Caller, wall: Wall, planned: bool
) -> None:
    file = tool.write("plan.yaml", nightly({"opens": "0 2 * * *", "lasts": "1h"}))
    with sandbox(tool, jobs=JOBS) as server, noting(server, wall, Trigger()) as requests:
        if planned:
            assert call("plan", file).code == 0
            requests.clear()
        wall.put(OPENS - 1)
        ended = call("apply", file, "--yes", "--wait", "-o", "json")

    assert ended.code == 0, ended.err
    assert ended.json["outcomes"]["applied"] == BATCH_JOBS
    assert min(at for at, _ in requests) >= OPENS


@pytest.mark.parametrize("planned", [False, True])
def test_a_signal_ends_the_wait_for_the_opening(tool: Tool, planned: bool) -> None:
    day = datetime.now(UTC) + timedelta(days=40)
    window = {"opens": f"0 2 {day.day} {day.month} *", "lasts": "1h"}
    file = tool.write("plan.yaml", nightly(window))
    with sandbox(tool, jobs=JOBS) as server:
        if planned:
            assert tool.run("plan", file).code == 0
        before = server.counters()["requests"]
        process = tool.fork("apply", file, "--yes", "--wait")
        eventually(lambda: waits(process.pid, signal.SIGTERM), "it waits, and listens to signals")
        process.terminate()
        ended = end(process, timeout=SOON)

        assert ended.code == 5, ended.err
        assert server.counters()["requests"] == before
        if not planned:
            opens = f"the window is closed; it opens next at {day:%Y-%m-%d}T02:00:00+00:00"
            assert f"warning: plan nightly: {opens} (UTC); waiting until then" in ended.err


def waits(process: int, number: signal.Signals) -> bool:
    """Return whether a process handles a signal, and its event loop is idle."""
    if "epoll" not in Path(f"/proc/{process}/wchan").read_text():
        return False
    status = Path(f"/proc/{process}/status").read_text()
    found = re.search(r"^SigCgt:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return found is not None and bool(int(found[1], 16) >> (number - 1) & 1)
