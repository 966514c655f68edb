"""Maintenance windows, with real time and with a clock that is set.

Covered: outside of the window nothing is asked of the server and the next opening is named;
undo and dry runs at any time. Left out: windows that open or close during a run
(test_window_edges.py), when windows are open (tests/rules/running/test_window.py), clocks that are
set while a run goes on (tests/engine/test_window.py).
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fleetpatch.campaign.planning.plan import expand
from fleetpatch.campaign.planning.undo import undo
from fleetpatch.campaign.running.apply import apply
from fleetpatch.campaign.settings import Settings
from fleetpatch.engine.clock import SystemClock
from fleetpatch.model.run import RunState
from tests.e2e.sandboxes import SandboxServer, sandbox
from tests.e2e.tool import Tool, plan
from tests.plans import plan_from

JOBS = {"kinds": ["jobs.batch"], "selector": "app"}
COUNT = 60


class MovedClock(SystemClock):
    """Real time, but for the hands of the wall clock, which are moved between two windows."""

    def __init__(self, at: datetime) -> None:
        self._offset = at.timestamp() - time.time()

    def wall(self) -> float:
        return time.time() + self._offset

    def move_to(self, at: datetime) -> None:
        self._offset = at.timestamp() - time.time()


@pytest.fixture
def server(tool: Tool) -> Iterator[SandboxServer]:
    with sandbox(tool, jobs=5 * COUNT) as served:
        yield served


def windowed(window: dict[str, Any], **more: Any) -> dict[str, Any]:
    return plan("nightly", JOBS, patch={"labels": {"cost": "new"}}, window=window, **more)


def closed_at(now: datetime) -> dict[str, Any]:
    """A window that opened an hour before, for a minute, and opens again a day later."""
    opened = now - timedelta(hours=1)
    return {"opens": f"{opened.minute} {opened.hour} * * *", "lasts": "1m"}


ALWAYS = {"opens": "0 * * * *", "lasts": "2h"}


def test_outside_of_the_window_nothing_is_asked_and_the_opening_is_named(
    tool: Tool, server: SandboxServer
) -> None:
    before, now = server.counters()["requests"], datetime.now(UTC)

    ended = tool.run("apply", tool.write("plan.yaml", windowed(closed_at(now))), "--yes")

    tomorrow = (now + timedelta(hours=23)).date()
    assert ended.code == 5
    assert f"the window is closed; it opens next at {tomorrow}" in ended.err
    assert server.counters()["requests"] == before


def test_a_planned_run_waits_for_its_window_too(tool: Tool, server: SandboxServer) -> None:
    file = tool.write("plan.yaml", windowed(closed_at(datetime.now(UTC))))
    assert tool.run("plan", file).code == 0

    ended = tool.run("apply", "nightly", "--yes", "-o", "json")

    assert (ended.code, ended.json["state"], server.sent()) == (5, "paused", 0)
    assert ended.json["cause"].startswith("the window is closed; it opens next at")


def test_within_the_window_a_run_is_carried_out(tool: Tool, server: SandboxServer) -> None:
    ended = tool.run("apply", tool.write("plan.yaml", windowed(ALWAYS)), "--yes")

    assert (ended.code, server.sent()) == (0, COUNT)


def test_a_dry_run_is_not_bound_by_the_window(tool: Tool, server: SandboxServer) -> None:
    file = tool.write("plan.yaml", windowed(closed_at(datetime.now(UTC))))

    assert tool.run("apply", file, "--yes", "--dry-run").code == 0
    assert server.sent() == COUNT


async def test_undo_is_not_bound_by_the_window(
    tool: Tool, server: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig))
    noon = datetime(2027, 3, 27, 12, tzinfo=UTC)
    clock = MovedClock(noon)
    settings = Settings(state_dir=tool.state, clock=clock)
    document = windowed({"opens": "0 12 * * *", "lasts": "1h"})
    done = await apply((await expand(plan_from(document), settings)).run_file, settings)
    clock.move_to(noon + timedelta(hours=5))

    undone = await apply((await undo(done.run_file, settings)).run_file, settings)

    assert (undone.state, undone.tally.applied) == (RunState.FINISHED, COUNT)
