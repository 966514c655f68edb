"""Worker processes that die or are suspended, and a coordinator that dies.

Covered: SIGKILL of a worker, SIGSTOP for longer than the timeout and SIGCONT after it, SIGKILL of
the coordinator and `resume`, Ctrl-C. The patch appends to a list, which shows how often it was
applied. Left out: cuts of the network and many faults in a row (bench), the protocol's rarer cases
(test_coordinator.py).
"""

import os
import signal
import time
from collections.abc import Callable
from datetime import datetime
from subprocess import Popen
from typing import Any

import pytest

from fleetpatch.campaign.running.former_workers import MAX_SEND_PERIOD
from fleetpatch.journal.runs import heartbeat
from tests.e2e.tool import end, eventually
from tests.e2e.witnesses import MILLISECOND
from tests.workers.conftest import Clusters
from tests.workers.own_workers import is_gone, workers_of

SLOW = {"rate": "1/m"}
"""Ten targets in each cluster take ten minutes, unless the pace is changed."""
FAST = "100/s"


def events_of(clusters: Clusters, event: str) -> list[dict[str, Any]]:
    """Return the lines of the log with this event; none if there is no log yet."""
    try:
        return [line for line in clusters.log() if line["event"] == event]
    except ValueError:
        return []


@pytest.fixture
def start(clusters: Clusters) -> Callable[..., Popen[str]]:
    """Start a run over two processes of this machine, and wait until it sends."""

    def start(*words: object) -> Popen[str]:
        planned = clusters.tool.run("plan", clusters.appending("new", pace=SLOW))
        assert planned.code == 0, planned.err
        process = clusters.tool.fork("apply", "spread", "--yes", "--workers", 2, *words)
        eventually(lambda: bool(events_of(clusters, "target.applied")), "a target ends")
        return process

    return start


def speed_up(clusters: Clusters) -> None:
    """Let a live run send the rest at once."""
    assert clusters.tool.run("pace", "spread", "--rate", FAST).code == 0


def require_each_once(clusters: Clusters) -> None:
    """Each target has one outcome, and each object was changed once."""
    targets = clusters.tool.targets("spread")
    assert [one["outcome"] for one in targets] == ["applied"] * clusters.targets
    ended = [line["uid"] for line in clusters.log() if line["event"] == "target.applied"]
    assert len(set(ended)) == clusters.targets
    assert clusters.appended() == [["new"]] * clusters.targets


def test_the_shards_of_a_killed_worker_are_continued_by_another(
    clusters: Clusters, start: Callable[..., Popen[str]]
) -> None:
    process = start()
    os.kill(workers_of(process)[0], signal.SIGKILL)
    speed_up(clusters)
    ended = end(process)

    assert ended.code == 0, ended.err
    assert len(events_of(clusters, "worker.lost")) == 1
    require_each_once(clusters)


def test_a_suspended_worker_loses_its_shards_and_sends_nothing_when_it_wakes_up(
    clusters: Clusters, start: Callable[..., Popen[str]]
) -> None:
    process = start("--worker-timeout", "3s")
    suspended = workers_of(process)[0]
    os.kill(suspended, signal.SIGSTOP)
    eventually(lambda: bool(events_of(clusters, "worker.lost")), "the worker is lost")
    os.kill(suspended, signal.SIGCONT)
    speed_up(clusters)
    ended = end(process)

    assert ended.code == 0, ended.err
    require_each_once(clusters)


@pytest.mark.parametrize("words", [("--workers", 1), ()], ids=["over a worker", "alone"])
def test_workers_end_with_a_killed_coordinator_and_resume_waits_for_their_send_deadline(
    words: tuple[object, ...], clusters: Clusters, start: Callable[..., Popen[str]]
) -> None:
    process = start()
    workers = workers_of(process)
    process.kill()
    killed_at = time.time()
    end(process)
    (run_file,) = clusters.tool.state.glob("runs/*.run")
    last = heartbeat.read(run_file)
    assert last is not None
    eventually(lambda: all(map(is_gone, workers)), "the workers end")

    ended = clusters.tool.run("resume", "spread", "-o", "json", "--rate", FAST, *words)

    assert ended.code == 0, ended.err
    require_each_once(clusters)
    began = datetime.fromisoformat(events_of(clusters, "run.started")[-1]["timestamp"])
    alive_until = min(killed_at, last.written_at + heartbeat.INTERVAL)
    assert began.timestamp() > alive_until + MAX_SEND_PERIOD - MILLISECOND


def test_ctrl_c_for_the_whole_group_lets_workers_report_what_was_in_flight(
    clusters: Clusters, start: Callable[..., Popen[str]]
) -> None:
    process = start()
    for pid in (process.pid, *workers_of(process)):
        os.kill(pid, signal.SIGINT)
    ended = end(process)

    assert ended.code == 5, ended.err
    standing = clusters.tool.run("status", "spread", "-o", "json").json
    assert standing["outcomes"]["applied"] == len(clusters.sent())
    assert all(not one["inDoubt"] for one in clusters.tool.targets("spread"))
