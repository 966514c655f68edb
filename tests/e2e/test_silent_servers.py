"""Servers that never answer: the exit code does not depend on the count. Servers that refuse all.

Covered: one beside a cluster that finishes, and one alone, with few and many targets; going on;
what the log says while nothing is accepted.
Left out: how a lane finds out (tests/engine/test_silent_clusters.py, test_lane_limits.py).
"""

from pathlib import Path

import pytest

from tests.cli.calling import Ended
from tests.e2e.sandboxes import sandbox
from tests.e2e.stubs import KIND, Stub, configure, stub
from tests.e2e.tool import Tool, end, eventually, plan

BLOCK = {"kinds": [KIND], "selector": "app=x", "namespaces": ["ns"]}
COUNTS = [1, 5, 60]
LABELS = {"labels": {"team": "red"}}


def objects(count: int) -> dict[str, dict[str, object]]:
    return {f"n{number}": {"spec": {}} for number in range(count)}


def applied(tool: Tool, *stubs: Stub, silent: Stub) -> Ended:
    configure(tool, *stubs)
    fleet = [{"name": f"c{number}", "context": f"c{number}"} for number in range(len(stubs))]
    retry = {"attempts": 2, "maxDelay": "50ms"}
    document = plan("silent", BLOCK, patch=LABELS, fleet=fleet, retry=retry)
    # Below its ceilings the pace would ask a server that is silent ever more slowly.
    document["pace"] = {"adaptive": False, "concurrency": 64}
    file = tool.write("plan.yaml", document)
    assert tool.run("plan", file).code == 0
    silent.hangs = True
    return tool.run("apply", "silent", "--yes", "-o", "json", "--request-timeout", "1s")


@pytest.mark.parametrize("count", COUNTS)
def test_the_exit_code_beside_a_cluster_that_finishes_is_3(tool: Tool, count: int) -> None:
    with stub(objects(3)) as well, stub(objects(count)) as silent:
        ended = applied(tool, well, silent, silent=silent)

        assert ended.code == 3, ended
        assert ended.json["state"] == "paused"
        assert ended.json["outcomes"]["applied"] == 3
        assert ended.json["outcomes"]["pending"] == count
        assert ended.json["cause"].startswith("c1: ")

        silent.hangs = False
        silent.ended.set()
        assert tool.run("resume", "silent", "-o", "json").code == 0


@pytest.mark.parametrize("count", COUNTS)
def test_the_exit_code_of_a_silent_cluster_alone_is_7(tool: Tool, count: int) -> None:
    with stub(objects(count)) as silent:
        ended = applied(tool, silent, silent=silent)

    assert ended.code == 7, ended
    assert ended.json["outcomes"]["pending"] == count


def test_the_log_says_why_nothing_happens_while_a_server_accepts_nothing(tool: Tool) -> None:
    outage = {"capacity": {"latency": 0.02, "refuses": True, "retryAfter": 30}}
    document = plan("outage", {"kinds": ["jobs.batch"], "selector": "app"}, patch=LABELS)
    log = tool.folder / "outage.jsonl"
    with sandbox(tool, jobs=200, chaos=outage):
        file = tool.write("plan.yaml", document)
        process = tool.fork("apply", file, "--yes", "--log-file", log)
        try:
            eventually(lambda: log.exists() and logged(tool, log), "retries and a pause in the log")
        finally:
            process.kill()
            end(process)


def logged(tool: Tool, log: Path) -> bool:
    """Return whether the log of a run without outcomes has its pause, and its retries."""
    events = [line["event"] for line in tool.log(log)]
    assert "run.finished" not in events
    return {"pace.changed", "attempt.retried"} <= set(events)
