"""People and limits steer a run whose requests workers send.

Covered: status names the workers; pace, pause and cancel; a halt by maxFailures; a window.
"""

import threading
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from fleetpatch.engine.clock import SystemClock
from tests.cli.calling import Caller
from tests.e2e.sandboxes import sandbox
from tests.e2e.tool import Tool, end, eventually
from tests.workers.conftest import Clusters, Dask, put_in_place_of_a

OPENS = datetime(2031, 3, 1, 2, 0, tzinfo=UTC).timestamp()
HOUR = 3600.0
SLOW = {"rate": "1/s", "concurrency": 2}
SLOWER = {"rate": "1/m", "concurrency": 2}
"""Ten targets in each cluster take ten minutes, unless the pace is changed."""


def status(clusters: Clusters) -> Any:
    """Return the status of the run."""
    return clusters.tool.run("status", "spread", "-o", "json").json


def test_status_names_the_workers_and_a_pause_and_a_changed_pace_reach_them(
    dask: Dask, clusters: Clusters
) -> None:
    assert clusters.tool.run("plan", clusters.appending("new", pace=SLOWER)).code == 0
    words = ("spread", "--yes", "--workers", dask.address)
    process = clusters.tool.fork("apply", *words)
    eventually(lambda: bool(status(clusters)["workers"]), "the workers are named")
    loads = status(clusters)["workers"]
    assert set(loads) <= {"0", "1"}
    assert clusters.tool.run("pause", "spread").code == 0
    ended = end(process)

    assert ended.code == 5, ended.err
    assert status(clusters)["causeCode"] == "pause-requested"
    assert all(not one["inDoubt"] for one in clusters.tool.targets("spread"))

    process = clusters.tool.fork("resume", *words)
    eventually(lambda: bool(status(clusters)["workers"]), "the workers are named")
    assert clusters.tool.run("pace", "spread", "--rate", "100/s").code == 0
    ended = end(process)

    assert ended.code == 0, ended.err
    assert clusters.appended() == [["new"]] * clusters.targets


def test_cancel_ends_the_run_for_all_workers(dask: Dask, clusters: Clusters) -> None:
    assert clusters.tool.run("plan", clusters.appending("new", pace=SLOWER)).code == 0
    process = clusters.tool.fork("apply", "spread", "--yes", "--workers", dask.address)
    eventually(lambda: bool(status(clusters)["workers"]), "the workers are named")
    assert clusters.tool.run("cancel", "spread").code == 0
    ended = end(process)

    assert ended.code == 4, ended.err
    applied = status(clusters)["outcomes"]["applied"]
    assert sum(one == ["new"] for one in clusters.appended()) == applied < clusters.targets


def test_one_failure_too_many_halts_the_shards_of_all_workers(
    dask: Dask, tool: Tool, clusters: Clusters
) -> None:
    chaos = {"rules": [{"status": 422, "names": ["*"], "methods": ["PATCH"]}]}
    (tool.folder / "bad").mkdir()
    with sandbox(Tool(tool.folder / "bad"), jobs=50, chaos=chaos) as bad:
        put_in_place_of_a(bad, dask, tool)
        file = clusters.plan("new", pace=SLOW, limits={"maxFailures": 1})
        ended = tool.run("apply", file, "--yes", "-o", "json", "--workers", dask.address)

    assert ended.code == 4, ended.err
    assert ended.json["causeCode"] == "max-failures"
    in_flight = SLOW["concurrency"]
    assert isinstance(in_flight, int)
    assert 1 < ended.json["outcomes"]["failed"] <= 2 + in_flight
    assert ended.json["outcomes"]["applied"] < 2 * clusters.targets // 3


def test_a_window_that_closes_ends_the_right_of_all_workers(
    dask: Dask, clusters: Clusters, call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command runs in this process, whose wall clock is put to the end of the window."""
    ahead = OPENS - time.time()
    monkeypatch.setattr(SystemClock, "wall", lambda _clock: time.time() + ahead)
    window = {"opens": "0 2 * * *", "lasts": "1h", "drain": "1m"}
    file = clusters.plan("new", pace=SLOWER, window=window)
    over = threading.Event()

    def close_at_the_first_outcome() -> None:
        nonlocal ahead
        while not clusters.sent() and not over.wait(0.05):
            pass
        ahead += HOUR

    closing = threading.Thread(target=close_at_the_first_outcome)
    closing.start()
    ended = call("apply", file, "--yes", "-o", "json", "--workers", dask.address)
    over.set()
    closing.join()

    assert ended.code == 5, ended.err
    assert ended.json["causeCode"] == "window-closed"
    assert 0 < ended.json["outcomes"]["applied"] == len(clusters.sent()) < clusters.targets
    assert not any(one["inDoubt"] for one in clusters.tool.targets("spread"))
